// SPDX-License-Identifier: LGPL-2.1-or-later
//
// SQLite's durable commit of one row, as the store has it: a write-ahead log, `synchronous` FULL. The limit of a change.
#pragma once

#include <filesystem>
#include <memory>

#include <sqlite3.h>

namespace hwvault::bench {

// Throws std::runtime_error with what SQLite says.
class RawCommits {
public:
    // In a new file of this folder, which stays there.
    explicit RawCommits(const std::filesystem::path& folder);

    // Writes the one row anew, and returns when it is on the disk.
    void commit();

private:
    struct Close {
        void operator()(sqlite3* connection) const { sqlite3_close(connection); }
        void operator()(sqlite3_stmt* statement) const { sqlite3_finalize(statement); }
    };
    void require(int code, int wanted);

    std::unique_ptr<sqlite3, Close> connection_;
    std::unique_ptr<sqlite3_stmt, Close> update_;
};

}  // namespace hwvault::bench
