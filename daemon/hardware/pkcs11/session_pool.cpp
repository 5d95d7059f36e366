// SPDX-License-Identifier: LGPL-2.1-or-later
#include "daemon/hardware/pkcs11/session_pool.h"

#include <algorithm>

namespace hwvault::hardware::pkcs11 {

Result<SessionPool::Lease> SessionPool::acquire() {
    std::unique_lock lock(mutex_);
    while (idle_.empty()) {
        if (open_ < capacity_) {
            auto session = Session::open(token_, Access::kRead);
            if (session) {
                ++open_;
                return Lease(*this, std::move(session).value());
            }
            // The token gives fewer sessions than it said: go on with those that it gave.
            if (session.error().code != ErrorCode::kBusy || open_ == 0) return std::move(session).error();
            capacity_ = open_;
        }
        returned_.wait(lock, [this] { return !idle_.empty() || open_ < capacity_; });
    }
    Session session = std::move(idle_.back());
    idle_.pop_back();
    return Lease(*this, std::move(session));
}

void SessionPool::give_back(Session session, bool sound) {
    // Closed before its place is given to another.
    if (!sound) const Session closed = std::move(session);
    {
        const std::lock_guard lock(mutex_);
        if (sound) {
            idle_.push_back(std::move(session));  // NOLINT(bugprone-use-after-move): above, only one that is not sound
        } else {
            --open_;
        }
    }
    returned_.notify_one();
}

unsigned pool_capacity(const CK_TOKEN_INFO& info, unsigned reserved) {
    const CK_ULONG limit = info.ulMaxSessionCount;
    if (limit == CK_EFFECTIVELY_INFINITE || limit == CK_UNAVAILABLE_INFORMATION) return kMaxPooledSessions;
    if (limit <= reserved + 1) return 1;
    return static_cast<unsigned>(std::min<CK_ULONG>(kMaxPooledSessions, limit - reserved));
}

}  // namespace hwvault::hardware::pkcs11
