// SPDX-License-Identifier: LGPL-2.1-or-later
#include "os/identity.h"

#include <cerrno>
#include <string>

#include <cap-ng.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace hwvault::os {
namespace {

bool reads_as_root = false;  // become_owner_of() kept that

}  // namespace

Result<void> become_owner_of(const std::filesystem::path& folder) {
    struct stat owner {};
    if (::stat(folder.c_str(), &owner) != 0) {
        return errno_error("looking whose " + folder.string() + " is", errno, errno == ENOENT ? ErrorCode::kNotFound : ErrorCode::kInternal);
    }
    if (::geteuid() != 0 || owner.st_uid == 0) return {};
    int at_parents_end = 0;
    ::prctl(PR_GET_PDEATHSIG, &at_parents_end, 0, 0, 0);
    ::capng_clear(CAPNG_SELECT_ALL);
    const auto held = static_cast<capng_type_t>(CAPNG_EFFECTIVE | CAPNG_PERMITTED);
    const auto how = static_cast<capng_flags_t>(CAPNG_DROP_SUPP_GRP | CAPNG_CLEAR_BOUNDING | CAPNG_CLEAR_AMBIENT);
    // What failed may have been half done, so nobody goes on after that.
    if (::capng_update(CAPNG_ADD, held, CAP_DAC_READ_SEARCH) != 0 ||
        ::capng_change_id(static_cast<int>(owner.st_uid), static_cast<int>(owner.st_gid), how) != 0 ||
        ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
        ::prctl(PR_SET_PDEATHSIG, at_parents_end, 0, 0, 0) != 0) {  // which another identity clears, prctl(2)
        return Error{ErrorCode::kInternal, "Becoming uid " + std::to_string(owner.st_uid) + ", whose " + folder.string() +
                                               " is, failed. Run this as root with all of root's capabilities, not in a container that "
                                               "takes some away."};
    }
    reads_as_root = true;
    return {};
}

Result<void> give_up_reading() {
    if (!reads_as_root) return {};  // and a unit's sandbox does not let it ask
    ::capng_clear(CAPNG_SELECT_ALL);
    if (::capng_apply(CAPNG_SELECT_CAPS) == 0) return {};
    return Error{ErrorCode::kInternal, "The right to read files of root's could not be given up."};
}

}  // namespace hwvault::os
