// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Whole files: read with a cap, written so that a crash leaves the old or the new one, never a part.
#pragma once

#include <filesystem>

#include "foundation/bytes.h"
#include "foundation/result.h"
#include "foundation/secret.h"

namespace hwvault::os {

// kNotFound when there is none, kInvalidArgument when it is larger than `cap`, else kInternal naming the path.
Result<Bytes> read_file(const std::filesystem::path& path, std::size_t cap);

// The same for a file that holds a secret: it must be a regular file of this user's or root's, with no permission
// for group or others (0600, 0400), and its content lives only in locked memory. kInvalidArgument says which
// condition failed and what to type.
Result<SecretBytes> read_secret_file(const std::filesystem::path& path, std::size_t cap);

// Written beside, synced, renamed, the folder synced. `mode` as for open(2).
Result<void> write_file_durably(const std::filesystem::path& path, BytesView content, unsigned mode);

// Makes a folder of this mode, with its parents, or leaves one that is there.
Result<void> make_folder(const std::filesystem::path& path, unsigned mode);

}  // namespace hwvault::os
