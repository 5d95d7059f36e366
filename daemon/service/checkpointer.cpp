// SPDX-License-Identifier: LGPL-2.1-or-later
#include "daemon/service/checkpointer.h"

#include <algorithm>
#include <utility>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>

#include "os/asio.h"

namespace hwvault::service {
namespace {

using boost::asio::awaitable;
using std::chrono::steady_clock;

constexpr auto kSignDeadline = std::chrono::seconds(3);
constexpr std::uint64_t kLongestJump = 1ULL << 40;  // of the sequence: one that is further ahead was not counted up

// What to sign, and how long it took to take it down.
struct Taken {
    vault::Checkpoint checkpoint;
    steady_clock::duration took;
};

Taken take_next(store::Store& store, std::uint64_t at_least) {
    const auto began = steady_clock::now();
    const vault::Checkpoint checkpoint = store.next_checkpoint(at_least);
    return {checkpoint, steady_clock::now() - began};
}

}  // namespace

awaitable<Result<steady_clock::duration>> make_checkpoint(boost::asio::thread_pool& store_thread, store::Store& store,
                                                          hardware::Hardware& hardware, KeepCheckpoint keep) {
    std::uint64_t at_least = 0;
    steady_clock::duration took{};
    for (std::uint64_t jump = 1;; jump *= 2) {
        const auto take = [&store, at_least] { return take_next(store, at_least); };
        const Taken next = co_await run_on(store_thread, take);
        took += next.took;
        auto signature = co_await hardware.checkpoint(next.checkpoint, steady_clock::now() + kSignDeadline);
        if (signature) {
            vault::SignedCheckpoint made{.checkpoint = next.checkpoint, .signature = std::move(*signature)};
            HWVAULT_CO_CHECK(co_await keep(std::move(made)));
            co_return took;
        }
        // Doubled, so that any sequence is reached in a few steps.
        const bool was_passed = signature.error().code == ErrorCode::kInvalidArgument;
        if (!was_passed || jump > kLongestJump) co_return signature.error();
        at_least = next.checkpoint.sequence + jump;
    }
}

void Checkpointer::changed() {
    ++records_;
    begin();
}

void Checkpointer::recorded(std::uint64_t events) {
    if (events == 0) return;
    events_ += events;
    begin();
}

// What was waited for until later may be due sooner now.
void Checkpointer::begin() {
    if (stopped_) return;
    if (running_) {
        if (due() < pause_.expiry()) pause_.cancel();
        return;
    }
    running_ = true;
    unsigned_since_ = Clock::now();
    boost::asio::co_spawn(
        parts_.strand, [self = shared_from_this()]() -> awaitable<void> { co_await self->run(); },
        boost::asio::detached);
}

Checkpointer::Clock::time_point Checkpointer::due() const {
    const bool soon = records_ > 0 || events_ >= kTrailEvents;
    return std::max(not_before_, unsigned_since_ + (soon ? kRecordDelay : kTrailDelay));
}

awaitable<void> Checkpointer::wait_until_due() {
    while (!stopped_ && Clock::now() < due()) {
        pause_.expires_at(due());
        co_await pause_.async_wait(os::kAsTuple);
    }
}

awaitable<void> Checkpointer::run() {
    while (records_ > 0 || events_ > 0) {
        co_await wait_until_due();
        const std::uint64_t records = records_;
        const std::uint64_t events = events_;
        unsigned_since_ = Clock::now();
        const auto made = co_await make_checkpoint(parts_.store_thread, parts_.store, parts_.hardware, parts_.keep);
        if (made) {
            records_ -= records;
            events_ -= events;
        }
        if (stopped_) break;
        not_before_ = Clock::now() + (made ? kShare * *made : Clock::duration(kPauseAfterFailure));
    }
    running_ = false;
    if (stopped_) ended_.raise();
}

awaitable<void> Checkpointer::stop() {
    stopped_ = true;
    pause_.cancel();
    if (running_) co_await ended_.wait();
}

}  // namespace hwvault::service
