// SPDX-License-Identifier: LGPL-2.1-or-later
#include "daemon/doors/varlink/connections.h"

#include <algorithm>
#include <string>

namespace hwvault::doors::varlink {

Result<Connections::Place> Connections::enter(std::uint32_t uid) {
    const std::size_t kept = uid == 0 ? 0 : std::min(limits_.kept_for_root, limits_.connections);
    const std::size_t open_to_uid = limits_.connections - kept;
    if (count_ >= open_to_uid) {
        return Error{ErrorCode::kBusy, "The vault has " + std::to_string(count_) +
                                           " connections, which is all that it accepts. Try again in a while."};
    }
    std::size_t& of_uid = count_of_uid_[uid];
    if (of_uid >= limits_.connections_of_uid) {
        return Error{ErrorCode::kBusy, "Your user has " + std::to_string(of_uid) +
                                           " connections to the vault, which is all that one may have. Close some."};
    }
    ++of_uid;
    ++count_;
    return Place(shared_from_this(), uid);
}

Result<void> Connections::Place::belongs_to(const std::string& unit) {
    std::size_t& of_unit = connections_->count_of_unit_[unit];
    if (of_unit >= connections_->limits_.connections_of_unit) {
        return Error{ErrorCode::kBusy, unit + " has " + std::to_string(of_unit) +
                                           " connections to the vault, which is all that one unit may have. Close some."};
    }
    ++of_unit;
    unit_ = unit;
    return {};
}

void Connections::leave(std::uint32_t uid, const std::string& unit) {
    --count_;
    if (const auto of_unit = count_of_unit_.find(unit); of_unit != count_of_unit_.end()) {
        if (--of_unit->second == 0) count_of_unit_.erase(of_unit);
    }
    const auto of_uid = count_of_uid_.find(uid);
    if (--of_uid->second == 0) count_of_uid_.erase(of_uid);
}

bool Connections::Memory::resize(std::size_t bytes) {
    const std::size_t wanted = bytes > kSmallBuffer ? bytes : 0;
    const std::size_t others = connections_->buffered_ - taken_;
    if (wanted > taken_ && wanted > connections_->limits_.buffered - others) return false;
    connections_->buffered_ = others + wanted;
    taken_ = wanted;
    return true;
}

}  // namespace hwvault::doors::varlink
