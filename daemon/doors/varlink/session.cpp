// SPDX-License-Identifier: LGPL-2.1-or-later
#include "daemon/doors/varlink/session.h"

#include <algorithm>
#include <array>
#include <span>
#include <string>
#include <utility>

#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "daemon/doors/varlink/introspection.h"
#include "daemon/doors/varlink/limits.h"
#include "daemon/doors/varlink/methods.h"
#include "daemon/doors/varlink/parameters.h"
#include "daemon/doors/varlink/plain_verify.h"
#include "daemon/doors/varlink/watch.h"
#include "libclient/wire/varlink.h"

namespace hwvault::doors::varlink {

using boost::asio::awaitable;

namespace {

// The plain calls of Verify with which what was read begins, as many as are looked up together.
class Verifies {
public:
    Verifies(BytesView calls, std::size_t most) {
        for (most = std::min(most, tokens_.size()); count_ < most; ++count_) {
            const auto verify = plain_verify_at(calls.subspan(size_of(count_)));
            if (!verify) break;
            tokens_[count_] = verify->token;
            ends_[count_] = size_of(count_) + verify->size;
        }
    }
    [[nodiscard]] std::span<const BytesView> tokens() const { return std::span(tokens_).first(count_); }
    // Bytes of the first `count` calls.
    [[nodiscard]] std::size_t size_of(std::size_t count) const { return count == 0 ? 0 : ends_[count - 1]; }

private:
    std::array<BytesView, service::kVerifiedTogether> tokens_;
    std::array<std::size_t, service::kVerifiedTogether> ends_;
    std::size_t count_{0};
};

class Replies {
public:
    explicit Replies(std::span<std::uint8_t> space) : space_(space) {}
    // Whether there is room for another.
    bool add(const service::Verification& verification) {
        size_ += write_verification(space_.subspan(size_), verification);
        return has_room();
    }
    [[nodiscard]] bool has_room() const { return space_.size() - size_ >= kMaxVerification; }
    [[nodiscard]] std::size_t size() const { return size_; }

private:
    std::span<std::uint8_t> space_;
    std::size_t size_{0};
};

}  // namespace

awaitable<void> Session::run() {
    const auto self = shared_from_this();
    bool going_on = true;
    while (going_on) {
        if (stream_->has_replies() && (!stream_->has_message() || stream_->is_full())) going_on = co_await stream_->flush();
        if (going_on && identity_ && stream_->is_at_rest()) {
            going_on = co_await next_is_here();
            if (stream_->has_replies()) continue;
        }
        if (going_on) is_verifying_ = verify_at_once() > 0;
        if (!going_on || is_verifying_) continue;
        if (calls_in_one_go_ >= kMaxCallsInOneGo) going_on = co_await let_others();
        else going_on = co_await serve_one();
    }
    co_await stream_->flush();
    stream_->close();
}

// Or the client goes, or does not take its replies at once. False when the stream is closed.
awaitable<bool> Session::next_is_here() {
    bool readable = false;
    if (is_verifying_) {
        const auto verify = [this] {
            calls_in_one_go_ = 0;
            return verify_at_once();
        };
        readable = co_await stream_->readable_beyond(verify);
    } else {
        readable = co_await stream_->readable();
    }
    calls_in_one_go_ = 0;
    co_return readable;
}

// How many calls. None when the next is to be looked at otherwise: it is not here, or another one, or refused. Then all
// replies to those before it were sent, or are queued.
std::size_t Session::verify_at_once() {
    stream_->send_gathered();
    if (!identity_ || stream_->has_replies()) return 0;
    const BytesView calls = stream_->read_at_once();
    Replies replies(stream_->reply_space());
    std::size_t count = 0;
    std::size_t taken = 0;
    for (bool goes_on = true; goes_on;) {
        const Verifies verifies(calls.subspan(taken), kMaxCallsInOneGo - calls_in_one_go_);
        const std::size_t answered = rooms_.service.verify_some(
            identity_->caller, verifies.tokens(), [&replies](const service::Verification& each) { return replies.add(each); });
        taken += verifies.size_of(answered);
        calls_in_one_go_ += answered;
        count += answered;
        goes_on = answered == service::kVerifiedTogether && replies.has_room();
    }
    stream_->answer(taken, replies.size());
    return count;
}

// False when the stream was closed.
awaitable<bool> Session::let_others() {
    const bool written = co_await stream_->flush();
    calls_in_one_go_ = 0;
    if (written) co_await boost::asio::post(rooms_.service.executor(), boost::asio::use_awaitable);
    co_return written;
}

awaitable<bool> Session::serve_one() {
    ++calls_in_one_go_;
    const auto message = co_await stream_->next();
    if (!message) {
        queue(failure(message.error()));
        co_return false;
    }
    if (!*message) co_return false;
    auto call = read_call(**message);
    stream_->forget();
    if (!call) {
        queue(failure(call.error()));
        co_return false;
    }
    const bool going_on = co_await answer(std::move(*call));
    stream_->release();
    co_return going_on;
}

awaitable<bool> Session::answer(Call call) {
    const bool is_oneway = call.oneway;
    auto reply = co_await dispatch(std::move(call));
    if (!reply) co_return false;
    if (!is_oneway) queue(std::move(*reply));
    co_return !is_one_too_many_;
}

void Session::queue(Reply reply) {
    std::vector<os::Fd> descriptors = std::move(reply.descriptors);
    if (stream_->queue(message_of(std::move(reply)), std::move(descriptors))) return;
    const Error busy{ErrorCode::kBusy, "The vault has too many large answers under way at once. Try again in a while."};
    // Small enough for the memory that every connection has.
    static_cast<void>(stream_->queue(message_of(failure(busy))));
}

// nullopt when there is nobody to reply to any more.
awaitable<std::optional<Reply>> Session::dispatch(Call call) {
    // To answer as usual would tell the client that the connection is its own now.
    if (call.upgrade) co_return method_not_implemented(call.method);
    if (call.interface() == kServiceInterface) co_return introspect(std::move(call));
    if (call.interface() != wire::kInterface) co_return interface_not_found(call.interface());
    if (call.verb() == "Watch") {
        auto last = co_await watch(std::move(call));
        co_return last;
    }
    const Method* method = find_method(call.verb());
    if (method == nullptr) co_return method_not_found(call.method);
    if (method->waits || !identity_) {
        const bool written = co_await stream_->flush();
        if (!written) co_return std::nullopt;
    }
    const auto known = co_await identify();
    if (!known) co_return failure(known.error());
    Reply reply = co_await method->answer(rooms_.service, *identity_, Parameters(std::move(call.parameters)));
    co_return reply;
}

awaitable<std::optional<Reply>> Session::watch(Call call) {
    Parameters in(std::move(call.parameters));
    std::string account = in.text("account");
    if (auto refusal = in.refusal()) co_return std::move(*refusal);
    if (!call.more) co_return expected_more();
    stream_->release();  // a Watch may last for ever, and keeps nothing of its call
    const bool written = co_await stream_->flush();
    if (!written) co_return std::nullopt;
    const auto known = co_await identify();
    if (!known) co_return failure(known.error());
    auto last = co_await stream_changes(rooms_.service, identity_->caller, *stream_, std::move(account));
    co_return last;
}

awaitable<Result<void>> Session::identify() {
    if (identity_) co_return Result<void>();
    auto credentials = peer::credentials_of(stream_->fd());
    if (!credentials) co_return std::move(credentials).error();
    auto identity = co_await rooms_.resolver.resolve(std::move(*credentials));
    if (!identity) co_return std::move(identity).error();
    if (const auto& unit = identity->caller.unit) {
        const auto counted = place_.belongs_to(*unit);
        is_one_too_many_ = !counted;
        if (!counted) co_return counted.error();
    }
    identity_ = std::move(*identity);
    co_return Result<void>();
}

}  // namespace hwvault::doors::varlink
