// SPDX-License-Identifier: LGPL-2.1-or-later
#include "daemon/doors/varlink/message_stream.h"

#include <algorithm>
#include <cerrno>
#include <new>
#include <string>
#include <utility>

#include <sys/socket.h>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/write.hpp>

#include "libclient/wire/varlink.h"
#include "os/asio.h"
#include "os/passing.h"

namespace hwvault::doors::varlink {
namespace {

namespace asio = boost::asio;
using boost::system::error_code;

using os::kAsTuple;
constexpr std::size_t kLargestBuffer = wire::kMaxMessageSize + 1;  // with its NUL

// When this ends, whatever ends it.
struct Wiped {
    std::span<std::uint8_t> bytes;
    explicit Wiped(std::span<std::uint8_t> span) : bytes(span) {}
    Wiped(const Wiped&) = delete;
    Wiped& operator=(const Wiped&) = delete;
    ~Wiped() { wipe(bytes.data(), bytes.size()); }
};

Error unfinished(const char* what) {
    return invalid_argument(std::string("The message ") + what + "; end each message with a NUL byte.");
}

}  // namespace

struct MessageStream::Read {
    error_code error;
    std::size_t size{0};
    bool brings_descriptors{false};
};

MessageStream::MessageStream(Socket socket, Shared shared)
    : socket_(std::move(socket)),
      connections_(std::move(shared.connections)),
      closer_(std::move(shared.closer)),
      workspace_(std::move(shared.workspace)),
      poller_(std::move(shared.poller)),
      may_bring_descriptors_(varlink::may_bring_descriptors(socket_.native_handle())),
      clock_(socket_.get_executor()),
      input_memory_(connections_),
      output_memory_(connections_) {}

void MessageStream::start_clock(std::chrono::milliseconds limit) {
    too_late_ = false;
    clock_.expires_after(limit);
    clock_.async_wait([weak = weak_from_this()](error_code error) {
        const auto self = weak.lock();
        // A handler that was on its way when the clock was set anew finds a later time.
        if (error || !self || self->clock_.expiry() > std::chrono::steady_clock::now()) return;
        self->too_late_ = true;
        self->socket_.cancel(error);
    });
}

void MessageStream::stop_clock() {
    clock_.expires_at(std::chrono::steady_clock::time_point::max());
}

asio::awaitable<bool> MessageStream::readable() {
    send_gathered();
    if (has_replies()) co_return true;
    const auto [error] = co_await socket_.async_wait(Socket::wait_read, kAsTuple);
    co_return !error;
}

// The clock, which has no time meanwhile, is cancelled at the end.
asio::awaitable<bool> MessageStream::readable_beyond(std::function<std::size_t()> answer) {
    send_gathered();
    if (has_replies()) co_return true;
    if (!go_to_poller()) {
        const bool readable_now = co_await readable();
        co_return readable_now;
    }
    answer_ = std::move(answer);
    stop_clock();
    co_await clock_.async_wait(kAsTuple);
    answer_ = nullptr;
    if (failure_) std::rethrow_exception(std::exchange(failure_, nullptr));
    co_return socket_.is_open();
}

std::size_t MessageStream::on_readable() {
    std::size_t answered = 0;
    try {
        answered = answer_();
    } catch (const std::bad_alloc&) {
        failure_ = std::current_exception();
    }
    if (answered == 0 || !is_at_rest()) leave_poller();
    return answered;
}

bool MessageStream::go_to_poller() {
    error_code error;
    at_poller_ = os::Fd(socket_.release(error));
    if (error) return false;
    place_ = poller_->add(at_poller_.get(), *this);
    if (!place_) give_to_asio();
    return place_.has_value();
}

void MessageStream::leave_poller() {
    if (!at_poller_) return;
    if (place_) poller_->remove(*std::exchange(place_, std::nullopt), at_poller_.get());
    give_to_asio();
    clock_.cancel();
}

// Which may have no memory for it: then the stream is closed.
void MessageStream::give_to_asio() {
    error_code error;
    try {
        socket_.assign(asio::local::stream_protocol(), at_poller_.get(), error);
    } catch (const std::bad_alloc&) {
        error = asio::error::no_memory;
    }
    if (error) closer_->close(std::move(at_poller_));
    else static_cast<void>(at_poller_.release());
}

std::size_t MessageStream::receive_at_once(std::span<std::uint8_t> space) {
    if (may_bring_descriptors_) return receive_bytes(fd(), space).size;
    const ssize_t size = ::recv(fd(), space.data(), space.size(), MSG_DONTWAIT);
    return size > 0 ? static_cast<std::size_t>(size) : 0;
}

BytesView MessageStream::read_at_once() {
    if (begin_ != end_) return has_message() ? unread() : BytesView();
    const auto space = workspace_->input();
    in_workspace_ = receive_at_once(space);
    return space.first(in_workspace_);
}

// In a buffer of this stream's own, which is a small one.
void MessageStream::keep(BytesView rest) {
    if (rest.empty()) return;
    input_ = SecretBytes(std::max(rest.size(), kFirstBuffer));
    std::copy(rest.begin(), rest.end(), input_.reveal_to_fill().begin());
    end_ = rest.size();
}

void MessageStream::send_now(BytesView replies) noexcept {
    has_gathered_ = false;
    if (!is_open()) return;
    const ssize_t size = ::send(fd(), replies.data(), replies.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    if (size < 0 && errno != EAGAIN && errno != EINTR) {
        close();
        return;
    }
    const BytesView rest = replies.subspan(size > 0 ? static_cast<std::size_t>(size) : 0);
    if (rest.empty()) return;
    if (queue_rest(rest)) leave_poller();
    else close();
}

bool MessageStream::queue_rest(BytesView rest) noexcept {
    try {
        return queue(SecretBytes::copy_of(rest));
    } catch (const std::bad_alloc&) {
        return false;
    }
}

void MessageStream::answer(std::size_t taken, std::size_t written) {
    if (written > 0) {
        workspace_->add(*this, written);
        has_gathered_ = true;
    }
    if (in_workspace_ == 0) {
        returned_ = taken;
        forget();
        release();
        return;
    }
    const Wiped read{workspace_->input().first(std::exchange(in_workspace_, 0))};
    keep(read.bytes.subspan(taken));
}

std::optional<BytesView> MessageStream::whole_message() {
    const BytesView bytes = unread();
    const auto nul = std::find(bytes.begin() + static_cast<std::ptrdiff_t>(searched_), bytes.end(), 0);
    searched_ = static_cast<std::size_t>(nul - bytes.begin());
    if (nul == bytes.end()) return std::nullopt;
    return bytes.first(searched_);
}

bool MessageStream::has_message() {
    return returned_ == 0 && whole_message().has_value();
}

void MessageStream::forget() {
    if (returned_ == 0) return;
    wipe(input_.reveal_to_fill().data() + begin_, returned_);
    begin_ += std::exchange(returned_, 0);
    searched_ = 0;
    if (begin_ != end_) return;
    input_ = SecretBytes();
    begin_ = end_ = 0;
}

void MessageStream::release() {
    if (input_.empty()) input_memory_.resize(0);
}

// Room for at least one more byte of a message that is not whole yet.
Result<void> MessageStream::make_room() {
    if (end_ < input_.size()) return {};
    const BytesView part = unread();
    if (part.size() == kLargestBuffer) return invalid_argument("The message has more than the 2 MiB that one may have.");
    const std::size_t size = std::clamp(2 * part.size(), kFirstBuffer, kLargestBuffer);
    if (!input_memory_.resize(size)) {
        return Error{ErrorCode::kBusy, "The vault has too many large messages at once. Try again in a while."};
    }
    SecretBytes larger(size);
    std::copy(part.begin(), part.end(), larger.reveal_to_fill().begin());
    end_ = part.size();
    begin_ = 0;
    input_ = std::move(larger);
    return {};
}

// Without a buffer, since most connections spend their lives here.
asio::awaitable<bool> MessageStream::wait_for_first_byte() {
    if (!had_message_) start_clock(connections_->limits().first_message);
    const auto [error] = co_await socket_.async_wait(Socket::wait_read, kAsTuple);
    stop_clock();
    co_return !error;
}

// Into the room behind what was read already.
asio::awaitable<MessageStream::Read> MessageStream::read() {
    if (may_bring_descriptors_) {
        Read read = co_await read_bytes_only();
        co_return read;
    }
    const auto space = input_.reveal_to_fill().subspan(end_);
    const auto [error, size] = co_await socket_.async_read_some(asio::buffer(space.data(), space.size()), kAsTuple);
    co_return Read{error, size, false};
}

asio::awaitable<MessageStream::Read> MessageStream::read_bytes_only() {
    using End = Received::End;
    for (;;) {
        const Received received = receive_bytes(socket_.native_handle(), input_.reveal_to_fill().subspan(end_));
        if (received.end == End::kNone) co_return Read{{}, received.size, false};
        if (received.end == End::kClosed) co_return Read{asio::error::eof, 0, false};
        if (received.end == End::kDescriptors) co_return Read{asio::error::no_permission, 0, true};
        const auto [error] = co_await socket_.async_wait(Socket::wait_read, kAsTuple);
        if (error) co_return Read{error, 0, false};
    }
}

asio::awaitable<Result<std::optional<BytesView>>> MessageStream::next() {
    using Message = std::optional<BytesView>;
    forget();
    bool is_timed = false;
    for (;;) {
        if (const auto message = whole_message()) {
            stop_clock();
            returned_ = message->size() + 1;
            had_message_ = true;
            co_return Message(*message);
        }
        if (unread().empty()) {
            const bool readable = co_await wait_for_first_byte();
            if (!readable) co_return Message();
        } else if (!std::exchange(is_timed, true)) {
            start_clock(connections_->limits().whole_message);
        }
        HWVAULT_CO_CHECK(make_room());
        const auto [error, size, brings_descriptors] = co_await read();
        end_ += size;
        if (!error) continue;
        stop_clock();
        if (brings_descriptors) co_return invalid_argument("The vault takes no descriptors; send bytes alone.");
        if (unread().empty() || finishing_) break;
        if (too_late_) co_return unfinished("did not end in time");
        if (error == asio::error::eof) co_return unfinished("did not end");
        break;
    }
    co_return Message();
}

bool MessageStream::queue(SecretBytes reply, std::vector<os::Fd> descriptors) {
    if (!output_memory_.resize(output_size_ + reply.size())) return false;
    if (!descriptors.empty()) descriptors_ = std::move(descriptors);
    output_size_ += reply.size();
    output_.push_back(std::move(reply));
    return true;
}

bool MessageStream::is_full() const {
    return output_.size() >= kMaxQueuedReplies || output_size_ >= kMaxQueuedBytes;
}

asio::awaitable<bool> MessageStream::flush() {
    send_gathered();
    if (output_.empty()) co_return socket_.is_open();
    writing_ = true;
    start_clock(connections_->limits().write);
    const bool has_descriptors = !descriptors_.empty();
    if (has_descriptors) {
        const bool handed_over = co_await send_descriptors();
        if (!handed_over) close();
    }
    std::vector<asio::const_buffer> buffers;
    buffers.reserve(output_.size());
    for (const auto& reply : output_) buffers.emplace_back(reply.reveal().data(), reply.size());
    if (has_descriptors) buffers.front() += 1;
    const auto [error, size] = co_await asio::async_write(socket_, buffers, kAsTuple);
    stop_clock();
    writing_ = false;
    output_.clear();
    output_size_ = 0;
    output_memory_.resize(0);
    if (error) close();
    co_return !error;
}

// With the first byte of the output, which is then gone.
asio::awaitable<bool> MessageStream::send_descriptors() {
    const std::vector<os::Fd> descriptors = std::exchange(descriptors_, {});
    const BytesView first = output_.front().reveal().first(1);
    while (os::send_with(socket_.native_handle(), first, descriptors) != 1) {
        if (errno != EAGAIN && errno != EINTR) co_return false;
        const auto [failure] = co_await socket_.async_wait(Socket::wait_write, kAsTuple);
        if (failure) co_return false;
    }
    co_return true;
}

void MessageStream::watch_client(std::function<void()> gone) {
    // On Linux a Unix socket whose other end was closed has EPOLLHUP; one that was only shut down for writing has
    // not, so that a client may say all it has to say and still listen.
    socket_.async_wait(Socket::wait_error,
                       asio::bind_cancellation_slot(watching_.slot(), [self = shared_from_this(), gone = std::move(gone)](
                                                                          error_code) { gone(); }));
}

// The kernel refuses what the client would send from now on (EPIPE), and what it has sent already is read to its end:
// so no call is ever taken in and then dropped.
void MessageStream::finish() {
    finishing_ = true;
    if (is_open()) ::shutdown(fd(), SHUT_RD);
    stop_watching();
}

void MessageStream::close() {
    send_gathered();
    leave_poller();
    error_code error;
    if (socket_.is_open() && may_bring_descriptors_) {
        const int client = socket_.release(error);
        if (!error) closer_->close(os::Fd(client));
    }
    socket_.close(error);
    stop_clock();
}

}  // namespace hwvault::doors::varlink
