// SPDX-License-Identifier: LGPL-2.1-or-later
#include "daemon/service/checkpointer.h"

#include <algorithm>
#include <optional>
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
    std::optional<vault::Checkpoint> checkpoint;
    steady_clock::duration took;
};

Taken take_next(store::Store& store, std::uint64_t at_least) {
    const auto began = steady_clock::now();
    auto checkpoint = store.next_checkpoint(at_least);
    return {checkpoint, steady_clock::now() - began};
}

}  // namespace

awaitable<Result<steady_clock::duration>> sign_records(boost::asio::thread_pool& store_thread, store::Store& store,
                                                       hardware::Hardware& hardware) {
    std::uint64_t at_least = 0;
    steady_clock::duration took{};
    for (std::uint64_t jump = 1;; jump *= 2) {
        const Taken next = co_await run_on(store_thread, [&store, at_least] { return take_next(store, at_least); });
        took += next.took;
        if (!next.checkpoint) co_return took;
        auto signature = co_await hardware.checkpoint(*next.checkpoint, steady_clock::now() + kSignDeadline);
        if (signature) {
            const vault::SignedCheckpoint made{.checkpoint = *next.checkpoint, .signature = std::move(*signature)};
            HWVAULT_CO_CHECK(co_await run_on(store_thread, [&store, &made] { return store.keep_checkpoint(made); }));
            co_return took;
        }
        // Doubled, so that any sequence is reached in a few steps.
        const bool was_passed = signature.error().code == ErrorCode::kInvalidArgument;
        if (!was_passed || jump > kLongestJump) co_return signature.error();
        at_least = next.checkpoint->sequence + jump;
    }
}

void Checkpointer::changed() {
    ++pending_;
    if (running_ || stopped_) return;
    running_ = true;
    boost::asio::co_spawn(
        parts_.strand, [self = shared_from_this()]() -> awaitable<void> { co_await self->run(); },
        boost::asio::detached);
}

awaitable<void> Checkpointer::run() {
    steady_clock::duration pause = kDelay;
    while (pending_ > 0) {
        co_await wait(pause);
        const std::uint64_t covered = pending_;
        const auto made = co_await sign_records(parts_.store_thread, parts_.store, parts_.hardware);
        if (made) pending_ -= covered;
        if (stopped_) break;
        pause = made ? std::max<steady_clock::duration>(kDelay, kShare * *made) : kPauseAfterFailure;
    }
    running_ = false;
    if (stopped_) ended_.raise();
}

awaitable<void> Checkpointer::wait(steady_clock::duration time) {
    if (stopped_) co_return;
    pause_.expires_after(time);
    co_await pause_.async_wait(os::kAsTuple);
}

awaitable<void> Checkpointer::stop() {
    stopped_ = true;
    pause_.cancel();
    if (running_) co_await ended_.wait();
}

}  // namespace hwvault::service
