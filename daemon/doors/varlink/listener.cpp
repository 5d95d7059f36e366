// SPDX-License-Identifier: LGPL-2.1-or-later
#include "daemon/doors/varlink/listener.h"

#include <cerrno>
#include <exception>
#include <new>
#include <system_error>
#include <utility>

#include <fcntl.h>
#include <sys/socket.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <spdlog/spdlog.h>

#include "os/asio.h"

namespace hwvault::doors::varlink {
namespace {

namespace asio = boost::asio;

using os::kAsTuple;
constexpr auto kPause = std::chrono::milliseconds(100);  // before accept(2) is tried again after a shortage
constexpr int kAcceptBatch = 64;                         // accepted before others on the strand have their turn

// A descriptor of its own for Asio, which closes what it is given.
int duplicate(int fd) {
    return ::fcntl(fd, F_DUPFD_CLOEXEC, 0);
}

}  // namespace

Listener::Listener(Session::Rooms rooms, os::ListeningSocket socket, const Limits& limits)
    : rooms_(rooms),
      socket_(std::move(socket)),
      readiness_(rooms.service.executor()),
      pause_(rooms.service.executor()),
      drain_(rooms.service.executor()),
      connections_(std::make_shared<Connections>(limits)),
      closer_(std::make_shared<Closer>()),
      workspace_(std::make_shared<Workspace>()),
      poller_(std::make_shared<Poller>(rooms.service.executor(), workspace_)) {}

Result<void> Listener::start() {
    const int fd = duplicate(socket_.fd());
    if (fd < 0) return errno_error("dup of the listening socket", errno);
    boost::system::error_code error;
    readiness_.assign(fd, error);
    if (error) return errno_error("watching the listening socket", error.value());
    HWVAULT_CHECK(poller_->start());
    asio::co_spawn(
        readiness_.get_executor(), [self = shared_from_this()] { return self->run(); }, asio::detached);
    return {};
}

asio::awaitable<void> Listener::run() {
    while (!stopping_) {
        const auto [error] = co_await readiness_.async_wait(asio::posix::stream_descriptor::wait_read, kAsTuple);
        if (error || stopping_) co_return;
        if (accept_some()) continue;
        pause_.expires_after(kPause);
        co_await pause_.async_wait(kAsTuple);
    }
}

// False when there is no room for another connection, or none can be accepted for another reason.
bool Listener::accept_some() {
    for (int i = 0; i < kAcceptBatch; ++i) {
        os::Fd client(::accept4(socket_.fd(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
        if (!client && errno == EAGAIN) return true;
        if (!client && (errno == EINTR || errno == ECONNABORTED)) continue;
        if (!client) {
            tell_of_shortage(errno);
            return false;
        }
        told_of_shortage_ = false;
        try {
            admit(client);
            closer_->close(std::move(client));
        } catch (const std::bad_alloc&) {
            closer_->close(std::move(client));
            tell_of_shortage(ENOMEM);
            return false;
        }
    }
    return true;
}

// Once, until the next client is accepted.
void Listener::tell_of_shortage(int error_number) {
    if (std::exchange(told_of_shortage_, true)) return;
    spdlog::warn("varlink: no client can be accepted ({}); trying again. Raise LimitNOFILE= if this stays.",
                 std::generic_category().message(error_number));
}

// Leaves `client` as it is when it is not to be served.
void Listener::admit(os::Fd& client) {
    const auto credentials = peer::credentials_of(client.get());
    if (!credentials) {
        spdlog::warn("varlink: a client was closed: {}", credentials.error().message);
        return;
    }
    auto place = connections_->enter(credentials->uid);
    if (!place) {
        refuse(client, place.error());
        return;
    }
    told_of_refusal_ = false;
    Socket socket(readiness_.get_executor());
    boost::system::error_code error;
    socket.assign(asio::local::stream_protocol(), client.get(), error);
    if (error) {
        spdlog::warn("varlink: a client was closed: {}", error.message());
        return;
    }
    static_cast<void>(client.release());
    begin(std::move(socket), std::move(*place));
}

void Listener::begin(Socket client, Connections::Place place) {
    MessageStream::Shared shared{.connections = connections_, .closer = closer_, .workspace = workspace_, .poller = poller_};
    auto session = std::make_shared<Session>(
        rooms_, std::make_shared<MessageStream>(std::move(client), std::move(shared)), std::move(place));
    sessions_.insert(session);
    asio::co_spawn(
        readiness_.get_executor(), [session] { return session->run(); },
        [self = shared_from_this(), session](const std::exception_ptr& failed) {
            // Only memory that ran out: everything else is an answer.
            if (failed) spdlog::error("varlink: a client was closed: out of memory");
            session->close();
            self->sessions_.erase(session);
            if (self->stopping_ && self->sessions_.empty()) self->no_session_is_left();
        });
}

// The client reads it as the answer to the call that it was about to make.
void Listener::refuse(const os::Fd& client, const Error& error) {
    if (!std::exchange(told_of_refusal_, true)) spdlog::warn("varlink: a client was refused: {}", error.message);
    const SecretBytes reply = message_of(failure(error));
    static_cast<void>(::send(client.get(), reply.reveal().data(), reply.size(), MSG_NOSIGNAL | MSG_DONTWAIT));
}

void Listener::stop() {
    if (std::exchange(stopping_, true)) return;
    boost::system::error_code ignored;
    readiness_.close(ignored);
    socket_.close();
    pause_.cancel();
    for (const auto& session : sessions_) session->finish();
    if (sessions_.empty()) {
        no_session_is_left();
        return;
    }
    drain_.expires_after(connections_->limits().drain);
    drain_.async_wait([self = shared_from_this()](boost::system::error_code) {
        for (const auto& session : self->sessions_) session->close();
    });
}

void Listener::no_session_is_left() {
    poller_->close();
    pause_.cancel();
    drain_.cancel();
}

asio::awaitable<void> Listener::drained() {
    while (!sessions_.empty()) {
        pause_.expires_at(asio::steady_timer::time_point::max());
        co_await pause_.async_wait(kAsTuple);
    }
}

}  // namespace hwvault::doors::varlink
