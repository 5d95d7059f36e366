// SPDX-License-Identifier: LGPL-2.1-or-later
#include "daemon/doors/credential/listener.h"

#include <algorithm>
#include <cerrno>
#include <charconv>
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

namespace hwvault::doors::credential {
namespace {

namespace asio = boost::asio;
using os::kAsTuple;

constexpr auto kPauseOfShortage = std::chrono::milliseconds(100);  // before accept(2) is tried again

}  // namespace

Listener::Listener(std::shared_ptr<Parts> parts, os::ListeningSocket socket)
    : parts_(std::move(parts)),
      socket_(std::move(socket)),
      readiness_(parts_->service.executor()),
      room_(parts_->service.executor()),
      drain_(parts_->service.executor()) {}

Result<void> Listener::start(std::vector<Left> left) {
    const int fd = ::fcntl(socket_.fd(), F_DUPFD_CLOEXEC, 0);
    if (fd < 0) return errno_error("dup of the credential socket", errno);
    boost::system::error_code error;
    readiness_.assign(fd, error);
    if (error) return errno_error("watching the credential socket", error.value());
    for (Left& one : left) {
        // No new one gets the name of one that is kept still.
        std::uint64_t number = 0;
        const std::size_t digits = one.name.find_last_not_of("0123456789") + 1;
        std::from_chars(one.name.data() + digits, one.name.data() + one.name.size(), number);
        next_number_ = std::max(next_number_, number + 1);
        begin(std::move(one.connection), std::move(one.name), Session::Kind::kLeft);
    }
    asio::co_spawn(
        readiness_.get_executor(), [self = shared_from_this()] { return self->run(); }, asio::detached);
    return {};
}

asio::awaitable<void> Listener::run() {
    while (!stopping_) {
        if (sessions_.size() >= parts_->limits.at_once) {
            room_.expires_at(asio::steady_timer::time_point::max());
            co_await room_.async_wait(kAsTuple);
            continue;
        }
        const auto [error] = co_await readiness_.async_wait(asio::posix::stream_descriptor::wait_read, kAsTuple);
        if (error || stopping_) co_return;
        if (accept_one()) continue;
        room_.expires_after(kPauseOfShortage);
        co_await room_.async_wait(kAsTuple);
    }
}

// False when none can be accepted for now.
bool Listener::accept_one() try {
    std::string name = in_flight_name(next_number_);
    os::Fd connection(::accept4(socket_.fd(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
    if (!connection) {
        if (errno == EAGAIN || errno == EINTR || errno == ECONNABORTED) return true;
        const char* const advice = errno == EMFILE ? ". Raise LimitNOFILE= if this stays" : "";
        tell_of_shortage(std::generic_category().message(errno) + advice);
        return false;
    }
    ++next_number_;
    parts_->descriptor_store->keep(name, connection.get());
    told_of_shortage_ = false;
    begin(std::move(connection), std::move(name), Session::Kind::kNew);
    return true;
} catch (const std::bad_alloc&) {
    tell_of_shortage("out of memory");
    return false;
}

// Once, until the next one is accepted.
void Listener::tell_of_shortage(std::string_view why) {
    if (std::exchange(told_of_shortage_, true)) return;
    spdlog::warn("credential: no connection can be accepted, and it is tried again: {}.", why);
}

// One that cannot be served is left to the descriptor store, so that it does not end as an empty credential. std::bad_alloc
// leaves nothing here.
void Listener::begin(os::Fd connection, std::string name, Session::Kind kind) {
    Socket client(parts_->service.executor());
    boost::system::error_code error;
    client.assign(asio::local::stream_protocol(), connection.get(), error);
    if (error) {
        spdlog::error("credential: a connection cannot be answered: {}", error.message());
        return;
    }
    static_cast<void>(connection.release());
    auto session = std::make_shared<Session>(parts_, std::move(client), std::move(name), kind);
    sessions_.insert(session);
    const auto when_ended = [self = shared_from_this(), session](const std::exception_ptr& failed) {
        // Only memory that ran out: everything else is an answer.
        if (failed) {
            spdlog::error("credential: a connection was not answered: out of memory");
            session->abandon();
        }
        self->ended(session);
    };
    try {
        asio::co_spawn(
            readiness_.get_executor(), [session] { return session->run(); }, when_ended);
    } catch (const std::bad_alloc&) {
        sessions_.erase(session);
        throw;
    }
}

void Listener::ended(const std::shared_ptr<Session>& session) {
    sessions_.erase(session);
    room_.cancel();
    if (stopping_ && sessions_.empty()) drain_.cancel();
}

asio::awaitable<void> Listener::drained() {
    while (!sessions_.empty()) {
        room_.expires_at(asio::steady_timer::time_point::max());
        co_await room_.async_wait(kAsTuple);
    }
}

void Listener::stop() {
    if (std::exchange(stopping_, true)) return;
    boost::system::error_code ignored;
    readiness_.close(ignored);
    socket_.close();
    room_.cancel();
    for (const auto& session : sessions_) session->hurry();
    if (sessions_.empty()) return;
    drain_.expires_after(2 * parts_->limits.drain);
    drain_.async_wait([self = shared_from_this()](boost::system::error_code cancelled) {
        if (cancelled) return;
        for (const auto& session : self->sessions_) session->abandon();
    });
}

}  // namespace hwvault::doors::credential
