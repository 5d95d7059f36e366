// SPDX-License-Identifier: LGPL-2.1-or-later
#include "daemon/hardware/connection.h"

#include <utility>

#include <boost/asio/buffer.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/write.hpp>

#include "os/asio.h"

namespace hwvault::hardware {
namespace {

namespace asio = boost::asio;
using std::chrono::steady_clock;

using os::kAsTuple;

Error deadline_passed() {
    return hardware_unavailable("The hardware did not answer in time. It is busy, or hung and about to be restarted: try again.");
}

}  // namespace

Connection::Connection(Socket socket, std::chrono::milliseconds hang_timeout)
    : socket_(std::move(socket)),
      hang_timeout_(hang_timeout),
      hang_timer_(socket_.get_executor()),
      ended_(socket_.get_executor(), steady_clock::time_point::max()) {}

std::shared_ptr<Connection> Connection::start(Socket socket, std::chrono::milliseconds hang_timeout) {
    const auto connection = std::make_shared<Connection>(std::move(socket), hang_timeout);
    asio::co_spawn(
        connection->socket_.get_executor(), [connection] { return connection->read(); }, asio::detached);
    return connection;
}

asio::awaitable<Result<SecretBytes>> Connection::call(Verb verb, Deadline deadline) {
    if (reason_) co_return *reason_;
    if (deadline <= steady_clock::now()) co_return deadline_passed();
    if (calls_.size() >= kMaxInFlight) {
        co_return Error{ErrorCode::kBusy, "Too many requests wait for the hardware: try again in a moment."};
    }
    const std::uint64_t id = ++last_id_;
    const auto call = std::make_shared<Call>(socket_.get_executor());
    call->done.expires_at(deadline);
    if (calls_.empty()) oldest_since_ = steady_clock::now();
    calls_.emplace(id, call);
    send(encode(Request{id, std::move(verb)}));
    watch_oldest();
    co_await call->done.async_wait(kAsTuple);
    if (!call->result) co_return deadline_passed();
    co_return std::move(*call->result);
}

void Connection::close(Error reason) {
    if (reason_) return;
    reason_ = std::move(reason);
    boost::system::error_code ignored;
    socket_.close(ignored);
    hang_timer_.cancel();
    for (const auto& [id, call] : std::exchange(calls_, {})) {
        call->result = *reason_;
        call->done.cancel();
    }
    ended_.cancel();
}

asio::awaitable<Error> Connection::closed() {
    if (!reason_) co_await ended_.async_wait(kAsTuple);
    co_return *reason_;
}

asio::awaitable<void> Connection::read() {
    const auto self = shared_from_this();  // keeps this alive until the loop ends
    for (;;) {
        const auto space = frames_.space();
        const auto [failure, size] =
            co_await socket_.async_read_some(asio::buffer(space.data(), space.size()), kAsTuple);
        if (failure) {
            close(hardware_unavailable("The connection to the hardware child ended. It is made again: try again in a moment."));
            co_return;
        }
        frames_.filled(size);
        if (!take_answers()) {
            close(hardware_unavailable("The hardware child sent something that is no answer. It is being restarted."));
            co_return;
        }
    }
}

// False when something came that is no answer to a request of ours.
bool Connection::take_answers() {
    while (const auto frame = frames_.next()) {
        auto answer = decode_answer(*frame);
        if (!answer || !calls_.contains(answer->id)) return false;
        finish(answer->id, std::move(answer->result));
    }
    return !frames_.broken();
}

void Connection::finish(std::uint64_t id, Result<SecretBytes> result) {
    const auto found = calls_.find(id);
    if (found == calls_.begin()) oldest_since_ = steady_clock::now();
    found->second->result = std::move(result);
    found->second->done.cancel();
    calls_.erase(found);
}

void Connection::send(const Bytes& frame) {
    to_write_.insert(to_write_.end(), frame.begin(), frame.end());
    if (being_written_.empty()) write();
}

// What comes while a write is under way goes out together with the next one.
void Connection::write() {
    being_written_ = std::exchange(to_write_, {});
    asio::async_write(socket_, asio::buffer(being_written_),
                      [self = shared_from_this()](boost::system::error_code failure, std::size_t) {
                          self->being_written_.clear();
                          // A failed write is seen by read() too, which says so.
                          if (!failure && !self->to_write_.empty()) self->write();
                      });
}

// Looks again when the oldest request may have become too old; calls cost nothing more than that.
void Connection::watch_oldest() {
    if (watching_) return;
    watching_ = true;
    hang_timer_.expires_at(oldest_since_ + hang_timeout_);
    hang_timer_.async_wait([self = shared_from_this()](boost::system::error_code cancelled) {
        self->watching_ = false;
        if (cancelled || self->calls_.empty()) return;
        if (steady_clock::now() < self->oldest_since_ + self->hang_timeout_) return self->watch_oldest();
        self->close(hardware_unavailable("The hardware child hung. It is being restarted: try again in a moment."));
    });
}

}  // namespace hwvault::hardware
