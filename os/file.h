// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Whole files: read with a cap, written so that a crash leaves the old or the new one, never a part.
#pragma once

#include <chrono>
#include <filesystem>

#include "foundation/bytes.h"
#include "foundation/result.h"
#include "foundation/secret.h"
#include "os/fd.h"

namespace hwvault::os {

// kNotFound when there is none, kInvalidArgument when it is larger than `cap`, else kInternal naming the path.
Result<Bytes> read_file(const std::filesystem::path& path, std::size_t cap);

// The same for a file that holds a secret: it must be a regular file of this user's or root's, with no permission
// for group or others (0600, 0400), and its content lives only in locked memory. kInvalidArgument says which
// condition failed and what to type.
Result<SecretBytes> read_secret_file(const std::filesystem::path& path, std::size_t cap);

// The same for a credential that systemd hands over in $CREDENTIALS_DIRECTORY: a regular file, but its owner and mode
// are systemd's business and differ between its versions.
Result<SecretBytes> read_credential(const std::filesystem::path& path, std::size_t cap);

// The regular file that `path` itself names, to be read: not what a link leads to, and not a pipe, which would never end.
// kNotFound, else kInvalidArgument naming the path.
Result<Fd> open_regular_file(const std::filesystem::path& path);
// The rest of `from` in a new file, as open(2) makes it with O_EXCL and `mode`. After an error a part of it may be there.
Result<void> copy_to_new_file(const Fd& from, const std::filesystem::path& path, unsigned mode);

// Written beside, synced, renamed, the folder synced. `mode` as for open(2).
Result<void> write_file_durably(const std::filesystem::path& path, BytesView content, unsigned mode);

// Every byte, or an error that names `path`: then some of them may be there.
Result<void> write_all(const Fd& fd, BytesView content, const std::filesystem::path& path);

// Puts on disk which names are in a folder; "" is the current one.
Result<void> sync_folder(const std::filesystem::path& folder);

// Takes `size` bytes of the disk, for whoever removes the file again. kQuotaExceeded when there is not as much.
Result<void> allocate_file(const std::filesystem::path& path, std::size_t size, unsigned mode);

// For what must be written even if the disk is full by then: makes `reserve` with `size` bytes of nothing, synced.
Result<void> reserve_file(const std::filesystem::path& reserve, std::size_t size, unsigned mode);
// Writes `content`, no more than was reserved, over `reserve`, syncs it, and renames it to `path`.
Result<void> use_reserve(const std::filesystem::path& reserve, const std::filesystem::path& path, BytesView content);

// Waits until no other process holds a lock on a file (fcntl(2), F_SETLK), or there is no such file; false when one still
// does after `patience`. Blocks.
bool wait_until_unlocked(const std::filesystem::path& path, std::chrono::milliseconds patience);
// A lock on a folder (flock(2)), held as long as the descriptor is open; kBusy when another process has it.
Result<Fd> lock_folder(const std::filesystem::path& path);

// Makes a folder of this mode, with its parents, or leaves one that is there.
Result<void> make_folder(const std::filesystem::path& path, unsigned mode);

}  // namespace hwvault::os
