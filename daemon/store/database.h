// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The store's file as a SQLite database: opened by one process alone, in WAL mode, with every setting that SQLite
// has against a hostile file.
//
// Opening writes nothing but an older schema's way to this one (migrate(), before anything is authenticated): any
// other file that is refused, or too new, keeps every byte, and so does its `-wal`. Only
// accept(), called once everything was authenticated, lets SQLite move the WAL into the file.
#pragma once

#include <filesystem>
#include <functional>

#include "daemon/store/handles.h"
#include "daemon/vault/lifecycle.h"

namespace hwvault::store {

// A row larger than that was not written by hwvaultd: the content, its tag, a record's body, and the content once more
// in its escrow, which may have it in base64.
constexpr int kMaxRowSize = 3 * static_cast<int>(vault::kMaxSecretSize);
// The WAL is moved into the file when it has that many pages of 4 KiB, and is cut to about that size then.
constexpr int kCheckpointPages = 1'000;

// kNotFound when there is no file; kBusy when another process has it; kInvalidArgument when its schema is newer
// than this program; kStoreTampered when it cannot have been left like that by hwvaultd.
enum class OlderSchema : std::uint8_t { kMigrate, kRefuse };  // refused: kInvalidArgument, too
Result<Connection> open_database(const std::filesystem::path& file, OlderSchema older = OlderSchema::kMigrate);

// Moves the WAL into the file, now and at the end.
void accept(const Connection& connection);

// Moves the log's commits into the file and begins a new log, of which nothing that was written to the old one counts.
// Fails where the disk is full or does not sync.
Result<void> renew_log(const Connection& connection);

// Makes the file, mode 0600, with its tables; `fill` writes the first rows. The file has its name only once it is
// complete and on disk. kAlreadyExists when a file of that name, or what an earlier store left, is there.
Result<void> create_database(const std::filesystem::path& file, const std::function<Result<void>(Connection&)>& fill);

// Gives one that was made elsewhere on the same disk, and closed, its name. kAlreadyExists as above.
Result<void> move_new_database(const std::filesystem::path& made, const std::filesystem::path& file);

}  // namespace hwvault::store
