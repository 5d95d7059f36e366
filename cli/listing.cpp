// SPDX-License-Identifier: LGPL-2.1-or-later
#include "cli/listing.h"

#include <algorithm>
#include <map>
#include <string_view>
#include <utility>

namespace hwvault::cli {
namespace {

constexpr std::string_view kUser = "user:";

bool is_unused(const Info& info, std::chrono::seconds span, std::int64_t now) {
    return std::max(info.last_used_at, info.created_at) <= now - span.count();
}

bool is_expiring(const Info& info, std::chrono::seconds span, std::int64_t now) {
    return !info.revoked && info.expires_at > now && info.expires_at <= now + span.count();
}

// Asks for each user once.
class Orphans {
public:
    explicit Orphans(const FindUser& find) : find_(find) {}

    Answer<bool> has(const Info& info) {
        if (!info.account.starts_with(kUser)) return false;
        HWVAULT_TRY(const std::optional<std::uint32_t> uid, uid_of(info.account.substr(kUser.size())));
        return !uid || (info.uid && info.uid != uid);
    }

private:
    Answer<std::optional<std::uint32_t>> uid_of(const std::string& name) {
        const auto known = known_.find(name);
        if (known != known_.end()) return known->second;
        const auto user = find_(name);
        if (!user && user.error().code != ErrorCode::kNotFound) return user.error();
        const auto uid = user ? std::optional(user->uid) : std::nullopt;
        known_.emplace(name, uid);
        return uid;
    }

    const FindUser& find_;
    std::map<std::string, std::optional<std::uint32_t>> known_;
};

}  // namespace

Answer<std::vector<Info>> selected(std::vector<Info> infos, const Wanted& wanted, std::int64_t now, const FindUser& find) {
    Orphans orphans(find);
    std::vector<Info> chosen;
    for (Info& info : infos) {
        if (wanted.unused && !is_unused(info, *wanted.unused, now)) continue;
        if (wanted.expiring && !is_expiring(info, *wanted.expiring, now)) continue;
        if (wanted.orphans) {
            HWVAULT_TRY(const bool is_orphan, orphans.has(info));
            if (!is_orphan) continue;
        }
        chosen.push_back(std::move(info));
    }
    return chosen;
}

}  // namespace hwvault::cli
