// SPDX-License-Identifier: LGPL-2.1-or-later
#include "bench/raw_commit.h"

#include <stdexcept>

namespace hwvault::bench {
namespace {

// The row has the size of a record's.
constexpr const char* kSchema =
    "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;"
    "CREATE TABLE records (row INTEGER PRIMARY KEY, body BLOB); INSERT INTO records VALUES (1, zeroblob(200));";

}  // namespace

RawCommits::RawCommits(const std::filesystem::path& folder) {
    sqlite3* connection = nullptr;
    const int code = sqlite3_open((folder / "raw.db").c_str(), &connection);
    connection_.reset(connection);
    require(code, SQLITE_OK);
    require(sqlite3_exec(connection, kSchema, nullptr, nullptr, nullptr), SQLITE_OK);
    sqlite3_stmt* update = nullptr;
    require(sqlite3_prepare_v2(connection, "UPDATE records SET body = randomblob(200) WHERE row = 1", -1, &update, nullptr), SQLITE_OK);
    update_.reset(update);
}

void RawCommits::commit() {
    require(sqlite3_step(update_.get()), SQLITE_DONE);
    require(sqlite3_reset(update_.get()), SQLITE_OK);
}

void RawCommits::require(int code, int wanted) {
    if (code != wanted) throw std::runtime_error(std::string("SQLite: ") + sqlite3_errmsg(connection_.get()));
}

}  // namespace hwvault::bench
