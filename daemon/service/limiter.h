// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What one caller may ask of the vault at once, checked before anything is looked up: calls of one party that wait
// for the device or the disk, and accounts that are made by their first Retrieve. A party is who policy::party_of() says.
//
// Pure but for what it counts; the time comes in. Not thread-safe.
#pragma once

#include <chrono>
#include <string>
#include <unordered_map>
#include <utility>

#include "foundation/result.h"
#include "policy/rule.h"

namespace hwvault::service {

class Limiter {
public:
    using Time = std::chrono::steady_clock::time_point;

    static constexpr unsigned kMaxWaitingOfParty = 1'024;  // 1,000 clients of one user at once must work
    static constexpr double kFirstUsesPerSecond = 20;  // accounts made by their first Retrieve
    static constexpr double kFirstUsesAtOnce = 200;
    // Of these one party, which deletes its `default` and asks for it again, cannot take what others need.
    static constexpr double kFirstUsesOfPartyPerSecond = 10.0 / 60;
    static constexpr double kFirstUsesOfPartyAtOnce = 10;

    // A place among the waiting calls of one party, given back when it goes.
    class Place {
    public:
        Place(Limiter& limiter, std::string party) : limiter_(&limiter), party_(std::move(party)) {}
        Place(Place&& other) noexcept
            : limiter_(std::exchange(other.limiter_, nullptr)), party_(std::move(other.party_)) {}
        Place& operator=(Place&&) = delete;
        ~Place() {
            if (limiter_ != nullptr) limiter_->leave(party_);
        }

    private:
        Limiter* limiter_;
        std::string party_;
    };

    // kBusy when the party has kMaxWaitingOfParty places already.
    Result<Place> enter(std::string party);
    // Nobody has a place.
    [[nodiscard]] bool is_idle() const { return waiting_.empty(); }
    // kBusy when too many accounts were made in a short time, by this party or by whomever.
    Result<void> first_use(const std::string& party, Time now);
    // kBusy, with when to try again, while `who` has used a rule of the policy more often than its rate allows.
    Result<void> use_rule(const std::string& rule_and_who, policy::Rate rate, Time now);
    // Pairs of a rule and who used it lately.
    [[nodiscard]] std::size_t rules_remembered() const { return rules_.size(); }

private:
    Result<void> first_use(Time now);  // by whomever

    // Full at first; what is taken flows in again evenly.
    class Bucket {
    public:
        Bucket(double per_second, double most) : per_second_(per_second), most_(most), left_(most) {}
        [[nodiscard]] bool is_empty(Time now) const { return left(now) < 1; }
        [[nodiscard]] bool is_full(Time now) const { return left(now) >= most_; }
        void take(Time now);
        [[nodiscard]] double seconds_until_one(Time now) const { return (1 - left(now)) / per_second_; }
        [[nodiscard]] double most() const { return most_; }
        [[nodiscard]] double per_second() const { return per_second_; }

    private:
        [[nodiscard]] double left(Time now) const;

        double per_second_;
        double most_;
        double left_;  // at taken_at_
        Time taken_at_{};
    };

    void leave(const std::string& party);

    std::unordered_map<std::string, unsigned> waiting_;
    Bucket first_uses_{kFirstUsesPerSecond, kFirstUsesAtOnce};
    std::unordered_map<std::string, Bucket> first_uses_of_party_; // who is not here has a full one
    std::unordered_map<std::string, Bucket> rules_;                // the same
    std::size_t rules_swept_at_{64};                               // so many: the full ones go
};

}  // namespace hwvault::service
