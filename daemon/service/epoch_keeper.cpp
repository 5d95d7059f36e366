// SPDX-License-Identifier: LGPL-2.1-or-later
#include "daemon/service/epoch_keeper.h"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "daemon/service/device_step.h"
#include "os/asio.h"

namespace hwvault::service {
namespace {

using boost::asio::awaitable;
using boost::asio::steady_timer;
using boost::asio::use_awaitable;
using std::chrono::steady_clock;

// A TPM's NV write takes up to 100 ms, an HSM across a network more; a device that needs longer is in trouble.
constexpr auto kAdvanceDeadline = std::chrono::seconds(5);
constexpr auto kPauseAfterFailure = std::chrono::milliseconds(500);

}  // namespace

EpochKeeper::EpochKeeper(Parts parts)
    : strand_(std::move(parts.strand)),
      hardware_(parts.hardware),
      epochs_(parts.epochs),
      device_(parts.device),
      mode_(parts.mode),
      batch_interval_(parts.batch_interval),
      pause_(strand_),
      batch_timer_(strand_) {}

void EpochKeeper::start() {
    tell_device();
    if (!has_open_batch()) return;
    if (mode_ == AntiRollback::kBatch) return time_batch();
    end_batch();
    batch_ended_();
}

std::uint64_t EpochKeeper::pending() const {
    return device_ ? epochs_.device_target() - *device_ : 0;
}

bool EpochKeeper::knows(std::uint64_t epoch) const {
    return device_ && *device_ >= epochs_.device_origin &&
           *device_ - epochs_.device_origin >= epoch - epochs_.base;
}

std::uint64_t EpochKeeper::of_next_commit(bool withdraws) const {
    const bool is_new = batch_is_over_ || (withdraws && mode_ == AntiRollback::kStrict);
    return epochs_.epoch + (is_new ? 1 : 0);
}

bool EpochKeeper::leaves_unprotected(bool withdraws) const {
    return of_next_commit(withdraws) == epochs_.epoch && (withdraws || epochs_.unprotected);
}

std::optional<std::uint64_t> EpochKeeper::committed(std::uint64_t epoch, bool unprotected) {
    epochs_.unprotected = unprotected;
    if (epoch > epochs_.epoch) {
        epochs_.epoch = epoch;
        batch_is_over_ = false;
        tell_device();
        return epoch;
    }
    if (has_open_batch()) time_batch();
    return std::nullopt;
}

void EpochKeeper::time_batch() {
    if (batch_runs_ || stopped_) return;
    batch_runs_ = true;
    boost::asio::co_spawn(
        strand_, [self = shared_from_this()]() -> awaitable<void> { co_await self->run_batch(); },
        boost::asio::detached);
}

// Again after each interval until the commit that ends it has succeeded.
awaitable<void> EpochKeeper::run_batch() {
    while (has_open_batch() && !stopped_) {
        batch_timer_.expires_after(batch_interval_);
        co_await batch_timer_.async_wait(os::kAsTuple);
        if (stopped_) break;
        end_batch();
        if (batch_is_over_) batch_ended_();
    }
    batch_runs_ = false;
}

void EpochKeeper::end_batch() {
    batch_is_over_ = has_open_batch();
}

void EpochKeeper::tell_device() {
    if (!device_ || catching_up_ || stopped_ || pending() == 0) return;
    catching_up_ = true;
    boost::asio::co_spawn(
        strand_, [self = shared_from_this()]() -> awaitable<void> { co_await self->catch_up(); },
        boost::asio::detached);
}

awaitable<void> EpochKeeper::catch_up() {
    while (pending() > 0 && !stopped_) {
        const store::DeviceCounter counter{.value = *device_, .identity = epochs_.counter};
        const auto advanced = co_await make_step(hardware_, counter, steady_clock::now() + kAdvanceDeadline);
        if (!advanced) {
            // The step whose answer was lost may have been made, or may still be waiting in the child's queue: asked for
            // again, it is the same step.
            const bool is_new = !trouble_;
            trouble_ = advanced.error();
            if (is_new && !stopped_) changed_();
            pause_.expires_after(kPauseAfterFailure);
            co_await pause_.async_wait(os::kAsTuple);
        } else {
            trouble_.reset();
            device_ = *advanced;
        }
        for (const auto& [epoch, timer] : waiting_) {
            if (knows(epoch)) timer->cancel();
        }
    }
    catching_up_ = false;
    if (!stopped_) changed_();
}

void EpochKeeper::stop() {
    stopped_ = true;
    pause_.cancel();
    batch_timer_.cancel();
}

awaitable<bool> EpochKeeper::reached(std::uint64_t epoch, hardware::Deadline deadline) {
    if (!device_) co_return false;
    if (!knows(epoch)) {
        steady_timer timer(strand_, deadline);
        const auto place = waiting_.insert(waiting_.end(), {epoch, &timer});
        co_await timer.async_wait(os::kAsTuple);
        waiting_.erase(place);
    }
    co_return knows(epoch);
}

}  // namespace hwvault::service
