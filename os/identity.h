// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Whose rights this process works with. An administrator types commands as root, and what these make must belong to the
// user that serves with it, or that could not read it; and root's rights have no business in the code in between.
#pragma once

#include <filesystem>

#include "foundation/result.h"

namespace hwvault::os {

// Where root runs this process and another user owns `folder`: becomes that user and the folder's group, for good, with no
// other group, and with no capability but CAP_DAC_READ_SEARCH, to read the files of root's that an administrator names. Else
// nothing. Before the first other thread, since capabilities are a thread's own. kNotFound where there is no such folder.
Result<void> become_owner_of(const std::filesystem::path& folder);

// Lets go of that one too: before anything is run or read that is not to be trusted with it. Nothing where become_owner_of()
// did nothing. Before the first other thread.
Result<void> give_up_reading();

}  // namespace hwvault::os
