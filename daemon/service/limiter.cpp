// SPDX-License-Identifier: LGPL-2.1-or-later
#include "daemon/service/limiter.h"

#include <algorithm>
#include <cmath>

namespace hwvault::service {

Result<Limiter::Place> Limiter::enter(std::string party) {
    unsigned& places = waiting_[party];
    if (places >= kMaxWaitingOfParty) {
        return Error{ErrorCode::kBusy, std::to_string(places) + " calls of your unit or user are waiting already, which is all that "
                                           "may. Try again in a second."};
    }
    ++places;
    return Place(*this, std::move(party));
}

void Limiter::leave(const std::string& party) {
    const auto place = waiting_.find(party);
    if (--place->second == 0) waiting_.erase(place);
}

double Limiter::Bucket::left(Time now) const {
    return std::min(most_, left_ + std::chrono::duration<double>(now - taken_at_).count() * per_second_);
}

void Limiter::Bucket::take(Time now) {
    left_ = left(now) - 1;
    taken_at_ = now;
}

Result<void> Limiter::first_use(Time now) {
    if (first_uses_.is_empty(now)) {
        return Error{ErrorCode::kBusy, "Too many accounts were made just now. Try again in a second."};
    }
    first_uses_.take(now);
    return {};
}

Result<void> Limiter::first_use(const std::string& party, Time now) {
    // What stays is few: one is full again after a minute, and no more than 1,400 of all can begin in that time.
    std::erase_if(first_uses_of_party_, [now](const auto& entry) { return entry.second.is_full(now); });
    const auto own = first_uses_of_party_.find(party);
    if (own != first_uses_of_party_.end() && own->second.is_empty(now)) {
        return Error{ErrorCode::kBusy, "Your token was made anew too often just now. Try again in a minute."};
    }
    HWVAULT_CHECK(first_use(now));
    const auto [mine, is_new] = first_uses_of_party_.try_emplace(party, kFirstUsesOfPartyPerSecond, kFirstUsesOfPartyAtOnce);
    mine->second.take(now);
    return {};
}

Result<void> Limiter::use_rule(const std::string& rule_and_who, policy::Rate rate, Time now) {
    if (rules_.size() >= rules_swept_at_) {
        std::erase_if(rules_, [now](const auto& entry) { return entry.second.is_full(now); });
        rules_swept_at_ = 2 * rules_.size() + 64;  // so that sweeping costs each call a constant
    }
    const double most = rate.calls;
    const double per_second = most / rate.seconds;
    const auto [used, is_new] = rules_.try_emplace(rule_and_who, per_second, most);
    Bucket& bucket = used->second;
    // The rule of this name has another rate since the policy was read again.
    if (bucket.most() != most || bucket.per_second() != per_second) bucket = Bucket(per_second, most);
    if (bucket.is_empty(now)) {
        const auto wait = static_cast<std::uint64_t>(std::ceil(bucket.seconds_until_one(now)));
        return Error{ErrorCode::kBusy, "The policy allows you this " + std::to_string(rate.calls) + " times in " +
                                           std::to_string(rate.seconds) + " s. Try again in " + std::to_string(wait) + " s."};
    }
    bucket.take(now);
    return {};
}

}  // namespace hwvault::service
