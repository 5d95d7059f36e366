// SPDX-License-Identifier: LGPL-2.1-or-later
#include "daemon/peer/name_service.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <string_view>
#include <vector>

#include <grp.h>
#include <pwd.h>

namespace hwvault::peer {
namespace {

// A group's entry lists all of its members: some directories have very large ones.
constexpr std::size_t kFirstBuffer = 4 << 10;
constexpr std::size_t kLastBuffer = 4 << 20;

// What getpwnam(3) lists as other ways to say "not found".
bool means_not_found(int error) {
    constexpr std::array kWords{0, ENOENT, ESRCH, EBADF, EPERM};
    return std::find(kWords.begin(), kWords.end(), error) != kWords.end();
}

// Calls a reentrant look-up with a buffer that grows until the entry fits; `pick` takes what is wanted from it.
template <class Entry, class Look, class Pick>
auto look_up(std::string_view call, Look look, Pick pick) -> Result<std::optional<decltype(pick(Entry{}))>> {
    std::vector<char> buffer(kFirstBuffer);
    for (;;) {
        Entry entry{};
        Entry* found = nullptr;
        const int error = look(&entry, buffer.data(), buffer.size(), &found);
        if (error == EINTR) continue;
        if (error == ERANGE && buffer.size() < kLastBuffer) {
            buffer.resize(buffer.size() * 4);
            continue;
        }
        if (found != nullptr) return std::optional{pick(*found)};
        if (means_not_found(error)) return std::optional<decltype(pick(Entry{}))>{};
        return errno_error(call, error, ErrorCode::kBusy);
    }
}

}  // namespace

NameService system_names() {
    NameService names;
    names.user_of = [](std::uint32_t uid) {
        return look_up<passwd>(
            "getpwuid_r",
            [uid](passwd* entry, char* buffer, std::size_t size, passwd** found) {
                return ::getpwuid_r(uid, entry, buffer, size, found);
            },
            [](const passwd& entry) { return std::string(entry.pw_name); });
    };
    names.group_of = [](std::uint32_t gid) {
        return look_up<group>(
            "getgrgid_r",
            [gid](group* entry, char* buffer, std::size_t size, group** found) {
                return ::getgrgid_r(gid, entry, buffer, size, found);
            },
            [](const group& entry) { return std::string(entry.gr_name); });
    };
    names.uid_of = [](const std::string& user) {
        return look_up<passwd>(
            "getpwnam_r",
            [&user](passwd* entry, char* buffer, std::size_t size, passwd** found) {
                return ::getpwnam_r(user.c_str(), entry, buffer, size, found);
            },
            [](const passwd& entry) { return std::uint32_t{entry.pw_uid}; });
    };
    return names;
}

}  // namespace hwvault::peer
