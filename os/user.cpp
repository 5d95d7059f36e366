// SPDX-License-Identifier: LGPL-2.1-or-later
#include "os/user.h"

#include <cerrno>

#include <grp.h>
#include <pwd.h>
#include <sys/types.h>

namespace hwvault::os {
namespace {

std::vector<gid_t> groups_of(const passwd& user) {
    int count = 64;
    std::vector<gid_t> groups(static_cast<std::size_t>(count));
    // Too few: `count` says how many there are. One that joins another group meanwhile is asked for again.
    while (::getgrouplist(user.pw_name, user.pw_gid, groups.data(), &count) < 0) {
        groups.resize(static_cast<std::size_t>(count));
    }
    groups.resize(static_cast<std::size_t>(count));
    return groups;
}

}  // namespace

Result<User> find_user(const std::string& name) {
    errno = 0;
    const passwd* const found = ::getpwnam(name.c_str());
    if (found == nullptr) {
        // getpwnam(3) lists these for a name that is not there.
        const bool is_unknown = errno == 0 || errno == ENOENT || errno == ESRCH || errno == EBADF || errno == EPERM;
        if (!is_unknown) return errno_error("looking for the user " + name, errno, ErrorCode::kInternal);
        return Error{ErrorCode::kNotFound, "There is no user " + name + " on this machine."};
    }
    User user{.uid = found->pw_uid, .groups = {}};
    for (const gid_t gid : groups_of(*found)) {
        if (const group* const one = ::getgrgid(gid)) user.groups.emplace_back(one->gr_name);
    }
    return user;
}

}  // namespace hwvault::os
