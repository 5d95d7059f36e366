// SPDX-License-Identifier: LGPL-2.1-or-later
#include "daemon/service/use_sweep.h"

#include <algorithm>
#include <span>
#include <utility>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/post.hpp>

#include "os/asio.h"

namespace hwvault::service {

using boost::asio::awaitable;

// How far a sweep has come: first what was retrieved, then what was verified.
struct UseSweep::Gathering {
    LastUses::Place retrieved{};
    VerifyIndex::Place verified{};
    bool retrieved_all{false};
    bool verified_all{false};
    std::vector<store::LastUse> uses{};
};

UseSweep::UseSweep(Parts parts)
    : parts_(std::move(parts)), pause_(parts_.strand), ended_(parts_.strand), verified_since_(parts_.clock()) {}

void UseSweep::start() {
    running_ = true;
    boost::asio::co_spawn(
        parts_.strand, [self = shared_from_this()] { return self->run(); }, boost::asio::detached);
}

awaitable<void> UseSweep::stop() {
    stopping_ = true;
    pause_.cancel();
    stop_by_ = std::chrono::steady_clock::now() + kAtStop;
    if (running_) co_await ended_.wait();
}

awaitable<void> UseSweep::run() {
    while (!stopping_) {
        pause_.expires_after(parts_.interval);
        co_await pause_.async_wait(os::kAsTuple);
        if (!stopping_) co_await sweep();
    }
    co_await sweep();  // also of what was used while the one before was under way
    running_ = false;
    ended_.raise();
}

awaitable<void> UseSweep::sweep() {
    if (!parts_.disk_has_room()) co_return;  // Status says so
    const vault::UnixTime begun = parts_.clock();
    const Result<void> saved = co_await save_all();
    if (saved) verified_since_ = retrieved_since_ = begun;
    if (!saved && !failing_) {
        parts_.trouble("When tokens were last used could not be saved, and is tried again every ten minutes. " + saved.error().message);
    }
    failing_ = !saved;
}

awaitable<Result<void>> UseSweep::save_all() {
    Gathering gathering;
    while (!gathering.verified_all) {
        HWVAULT_CO_CHECK(has_time());
        gather_some(gathering);
        if (gathering.uses.size() >= kInOrder || gathering.verified_all) {
            HWVAULT_CO_CHECK(co_await save(std::exchange(gathering.uses, {})));
        }
        co_await boost::asio::post(parts_.strand, boost::asio::use_awaitable);
    }
    co_return Result<void>{};
}

Result<void> UseSweep::has_time() const {
    if (!stopping_ || std::chrono::steady_clock::now() < stop_by_) return {};
    return Error{ErrorCode::kBusy, "The end of hwvaultd left no more time."};
}

void UseSweep::gather_some(Gathering& gathering) const {
    const auto add = [&](const vault::Id& token, vault::UnixTime at) {
        gathering.uses.push_back({.token = token, .at = at, .place = 0});
    };
    if (!gathering.retrieved_all) {
        gathering.retrieved_all = !parts_.last_uses.visit_some(gathering.retrieved, retrieved_since_, add);
    } else {
        gathering.verified_all = !parts_.index->visit_uses(gathering.verified, verified_since_, add);
    }
}

awaitable<Result<void>> UseSweep::save(std::vector<store::LastUse> uses) {
    if (uses.empty()) co_return Result<void>{};
    const std::span all(uses);
    for (std::size_t begin = 0; begin < all.size(); begin += kAtOnce) {
        const auto some = all.subspan(begin, std::min(kAtOnce, all.size() - begin));
        const auto look_up = [&store = std::as_const(parts_.store), some] {
            for (store::LastUse& use : some) use.place = store.place_of(use.token);
        };
        co_await run_on(parts_.store_thread, look_up);
    }
    const auto put_in_order = [all] {
        std::ranges::sort(all, {}, &store::LastUse::place);
    };
    co_await run_on(parts_.background, put_in_order);
    const std::size_t at_once = stopping_ ? kAtOnceAtStop : kAtOnce;
    for (std::size_t begin = 0; begin < all.size(); begin += at_once) {
        const auto some = all.subspan(begin, std::min(at_once, all.size() - begin));
        const auto write = [&store = parts_.store, some, now = parts_.index->now()] { return store.save_uses(some, now); };
        HWVAULT_CO_CHECK(has_time());
        HWVAULT_CO_CHECK(co_await run_on(parts_.store_thread, write));
    }
    co_return Result<void>{};
}

}  // namespace hwvault::service
