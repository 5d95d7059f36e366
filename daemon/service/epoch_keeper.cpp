// SPDX-License-Identifier: LGPL-2.1-or-later
#include "daemon/service/epoch_keeper.h"

#include <algorithm>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/use_awaitable.hpp>

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

EpochKeeper::EpochKeeper(boost::asio::any_io_executor strand, hardware::Hardware& hardware, store::EpochState epochs,
                         std::optional<std::uint64_t> device)
    : strand_(std::move(strand)), hardware_(hardware), epochs_(epochs), device_(device), pause_(strand_) {}

std::uint64_t EpochKeeper::pending() const {
    return device_ ? epochs_.device_target() - *device_ : 0;
}

bool EpochKeeper::knows(std::uint64_t epoch) const {
    return device_ && *device_ >= epochs_.device_origin &&
           *device_ - epochs_.device_origin >= epoch - epochs_.base;
}

void EpochKeeper::committed(std::uint64_t epoch) {
    epochs_.epoch = std::max(epochs_.epoch, epoch);
    if (!device_ || catching_up_ || stopped_ || pending() == 0) return;
    catching_up_ = true;
    boost::asio::co_spawn(
        strand_, [self = shared_from_this()]() -> awaitable<void> { co_await self->catch_up(); },
        boost::asio::detached);
}

awaitable<void> EpochKeeper::catch_up() {
    while (pending() > 0 && !stopped_) {
        const auto advanced = co_await hardware_.advance(*device_, steady_clock::now() + kAdvanceDeadline);
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
            device_ = std::min(*advanced, epochs_.device_target());
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
