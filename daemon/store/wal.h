// SPDX-License-Identifier: LGPL-2.1-or-later
//
// A look at SQLite's write-ahead log before it is believed (sqlite.org/fileformat2.html, section 4).
//
// SQLite takes the log's frames up to the first whose checksum is wrong and forgets the rest without a word. That
// is right after a crash, which can spoil the last transaction only: each one is synced before the next begins.
// Where whole transactions follow the spoilt one, answered commits would vanish; that is kStoreTampered.
//
// What this cannot tell apart: a log cut or spoilt in its last transaction, and one that is missing. Both leave an
// older state of the store, which the epoch is there to detect.
#pragma once

#include <filesystem>

#include "foundation/result.h"

namespace hwvault::store {

// Nothing when `wal` is not there, is empty, or ends as a crash can leave it. Only reads.
Result<void> check_wal(const std::filesystem::path& wal);

}  // namespace hwvault::store
