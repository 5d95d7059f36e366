// SPDX-License-Identifier: LGPL-2.1-or-later
#include "daemon/service/limiter.h"

#include <algorithm>

namespace hwvault::service {

Result<Limiter::Place> Limiter::enter(std::uint32_t uid) {
    unsigned& places = waiting_[uid];
    if (places >= kMaxWaitingOfUid) {
        return Error{ErrorCode::kBusy, "Too many calls of your user are waiting already. Try again in a second."};
    }
    ++places;
    return Place(*this, uid);
}

void Limiter::leave(std::uint32_t uid) {
    const auto place = waiting_.find(uid);
    if (place != waiting_.end() && --place->second == 0) waiting_.erase(place);
}

Result<void> Limiter::first_use(Time now) {
    const double seconds = std::chrono::duration<double>(now - refilled_at_).count();
    first_uses_left_ = std::min(kFirstUsesAtOnce, first_uses_left_ + seconds * kFirstUsesPerSecond);
    refilled_at_ = now;
    if (first_uses_left_ < 1) {
        return Error{ErrorCode::kBusy, "Too many accounts were made just now. Try again in a second."};
    }
    first_uses_left_ -= 1;
    return {};
}

}  // namespace hwvault::service
