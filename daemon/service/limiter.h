// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What one caller may ask of the vault at once, checked before anything is looked up: calls of one uid that wait
// for the device or the disk, and accounts that are made by their first Retrieve.
//
// Pure but for what it counts; the time comes in. Not thread-safe.
#pragma once

#include <chrono>
#include <cstdint>
#include <unordered_map>
#include <utility>

#include "foundation/result.h"

namespace hwvault::service {

class Limiter {
public:
    using Time = std::chrono::steady_clock::time_point;

    static constexpr unsigned kMaxWaitingOfUid = 2'048;
    static constexpr double kFirstUsesPerSecond = 20;  // accounts made by their first Retrieve
    static constexpr double kFirstUsesAtOnce = 200;

    // A place among the waiting calls of one uid, given back when it goes.
    class Place {
    public:
        Place(Limiter& limiter, std::uint32_t uid) : limiter_(&limiter), uid_(uid) {}
        Place(Place&& other) noexcept : limiter_(std::exchange(other.limiter_, nullptr)), uid_(other.uid_) {}
        Place& operator=(Place&& other) noexcept {
            std::swap(limiter_, other.limiter_);
            std::swap(uid_, other.uid_);
            return *this;
        }
        Place(const Place&) = delete;
        Place& operator=(const Place&) = delete;
        ~Place() {
            if (limiter_ != nullptr) limiter_->leave(uid_);
        }

    private:
        Limiter* limiter_;
        std::uint32_t uid_;
    };

    // kBusy when the uid has kMaxWaitingOfUid places already.
    Result<Place> enter(std::uint32_t uid);
    // kBusy when too many accounts were made in a short time, by whomever.
    Result<void> first_use(Time now);

private:
    void leave(std::uint32_t uid);

    std::unordered_map<std::uint32_t, unsigned> waiting_;
    double first_uses_left_{kFirstUsesAtOnce};
    Time refilled_at_{};
};

}  // namespace hwvault::service
