// SPDX-License-Identifier: LGPL-2.1-or-later
#include "daemon/store/database.h"

#include <array>
#include <cerrno>
#include <system_error>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/store/reserve.h"
#include "daemon/store/schema.h"
#include "daemon/store/wal.h"
#include "os/fd.h"
#include "os/file.h"

namespace hwvault::store {
namespace {

using std::filesystem::path;

path beside(path file, std::string_view suffix) {
    file += suffix;
    return file;
}

bool is_there(const path& file) {
    struct stat status {};
    return ::lstat(file.c_str(), &status) == 0;
}

Result<void> set(const Connection& connection, int option, bool on) {
    return check_sqlite("sqlite3_db_config",
                        sqlite3_db_config(connection.get(), option, on ? 1 : 0, static_cast<int*>(nullptr)),
                        connection.get());
}

// SQLite's own advice for files that others may have written: sqlite.org/security.html.
Result<void> harden(const Connection& connection) {
    HWVAULT_CHECK(set(connection, SQLITE_DBCONFIG_DEFENSIVE, true));
    HWVAULT_CHECK(set(connection, SQLITE_DBCONFIG_TRUSTED_SCHEMA, false));
    HWVAULT_CHECK(set(connection, SQLITE_DBCONFIG_ENABLE_TRIGGER, false));
    HWVAULT_CHECK(set(connection, SQLITE_DBCONFIG_ENABLE_VIEW, false));
    HWVAULT_CHECK(set(connection, SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION, false));
    HWVAULT_CHECK(set(connection, SQLITE_DBCONFIG_DQS_DML, false));
    HWVAULT_CHECK(set(connection, SQLITE_DBCONFIG_DQS_DDL, false));
    HWVAULT_CHECK(set(connection, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true));
    sqlite3_limit(connection.get(), SQLITE_LIMIT_LENGTH, kMaxRowSize);
    sqlite3_limit(connection.get(), SQLITE_LIMIT_ATTACHED, 0);
    return connection.execute("PRAGMA cell_size_check = ON; PRAGMA mmap_size = 0; PRAGMA temp_store = MEMORY");
}

// The lock comes before the first read, and is kept: the WAL's index then lies in memory, not in a file beside.
Result<void> configure(const Connection& connection) {
    const std::string pages = std::to_string(kCheckpointPages);
    const std::string bytes = std::to_string(kCheckpointPages * 4096);
    return connection.execute(("PRAGMA locking_mode = EXCLUSIVE; PRAGMA synchronous = FULL; PRAGMA secure_delete = ON;"
                               "PRAGMA wal_autocheckpoint = " + pages + "; PRAGMA journal_size_limit = " + bytes)
                                  .c_str());
}

Result<Connection> connect(const path& file) {
    sqlite3* handle = nullptr;
    const int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
    const int code = sqlite3_open_v2(file.c_str(), &handle, flags, nullptr);
    Connection connection{handle};
    HWVAULT_CHECK(check_sqlite("sqlite3_open", code, handle));
    HWVAULT_CHECK(harden(connection));
    HWVAULT_CHECK(configure(connection));
    return connection;
}

// What SQLite would accept, but hwvaultd never leaves behind.
Result<void> check_settings(const Connection& connection) {
    HWVAULT_TRY(const std::string journal, connection.text("PRAGMA journal_mode"));
    HWVAULT_TRY(const std::uint64_t vacuum, connection.number("PRAGMA auto_vacuum"));
    if (journal != "wal" || vacuum != 0 || sqlite3_db_readonly(connection.get(), "main") != 0) {
        return tampered("the settings in the file's first page are not those that hwvaultd made.");
    }
    return {};
}

Result<void> check_file(const path& file) {
    struct stat status {};
    if (::lstat(file.c_str(), &status) != 0) {
        if (errno != ENOENT) return errno_error("lstat " + file.string(), errno);
        return Error{ErrorCode::kNotFound, "There is no store at " + file.string() +
                                               ". Run `hwvault init` for a new vault, or put the file back."};
    }
    if (!S_ISREG(status.st_mode)) return tampered(file.string() + " is not a regular file.");
    // SQLite would play it back into the file before it reads anything.
    if (is_there(beside(file, "-journal"))) return tampered("a rollback journal lies beside it.");
    return {};
}

constexpr std::array<std::string_view, 3> kFilesOfAStore{"", "-wal", "-journal"};

void remove_unfinished(const path& file) {
    for (const std::string_view suffix : kFilesOfAStore) {
        std::error_code failure;
        std::filesystem::remove(beside(file, suffix), failure);
    }
}

// A new empty file that only its owner can read from the first moment.
Result<void> make_private_file(const path& file) {
    const os::Fd fd{::open(file.c_str(), O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600)};
    if (!fd) return errno_error("open " + file.string(), errno);
    return {};
}

// A store whose last commits were still beside it would lose them with its name.
Result<void> check_complete(const path& made, const path& file) {
    if (!is_there(beside(made, "-wal"))) return {};
    return Error{ErrorCode::kInternal, "SQLite could not complete " + file.string() + ". Is the disk full?"};
}

Result<void> fill_new_file(const path& file, const std::function<Result<void>(Connection&)>& fill) {
    HWVAULT_CHECK(make_private_file(file));
    {
        HWVAULT_TRY(Connection connection, connect(file));
        HWVAULT_CHECK(connection.execute(("PRAGMA application_id = " + std::to_string(kApplicationId)).c_str()));
        HWVAULT_TRY(const std::string journal, connection.text("PRAGMA journal_mode = WAL"));
        if (journal != "wal") return Error{ErrorCode::kInternal, "SQLite refused WAL mode for " + file.string() + "."};
        HWVAULT_CHECK(migrate(connection, migrations()));
        HWVAULT_CHECK(fill(connection));
        HWVAULT_CHECK(set(connection, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, false));
    }
    return check_complete(file, file);
}

Result<void> check_unused(const path& file) {
    for (const std::string_view suffix : kFilesOfAStore) {
        const path taken = beside(file, suffix);
        if (!is_there(taken)) continue;
        return Error{ErrorCode::kAlreadyExists, taken.string() +
                                                    " is there already. Move it away if another vault is to be made."};
    }
    return {};
}

// On a full disk with what is kept for that: else a new version of hwvault would serve nobody there, where the old one did.
Result<void> take_up(const Connection& connection, const path& file) {
    Reserve reserve(file);
    for (;;) {
        Result<void> migrated = migrate(connection, migrations());
        const bool full = !migrated && migrated.error().code == ErrorCode::kQuotaExceeded;
        if (!full || !reserve.give_up(true)) return migrated;
    }
}

}  // namespace

Result<Connection> open_database(const path& file, OlderSchema older) {
    HWVAULT_CHECK(check_file(file));
    HWVAULT_TRY(Connection connection, connect(file));
    HWVAULT_CHECK(check_version(connection));
    HWVAULT_CHECK(check_settings(connection));
    HWVAULT_CHECK(check_wal(beside(file, "-wal")));
    if (older == OlderSchema::kMigrate) {
        HWVAULT_CHECK(take_up(connection, file));
    } else {
        HWVAULT_CHECK(check_is_newest(connection));
    }
    HWVAULT_CHECK(check_schema(connection));
    return connection;
}

void accept(const Connection& connection) {
    sqlite3_db_config(connection.get(), SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 0, static_cast<int*>(nullptr));
    // Not being able to, on a full disk, loses nothing: the WAL stays what it was.
    sqlite3_wal_checkpoint_v2(connection.get(), "main", SQLITE_CHECKPOINT_TRUNCATE, nullptr, nullptr);
}

Result<void> renew_log(const Connection& connection) {
    HWVAULT_TRY(const std::uint64_t busy, connection.number("PRAGMA wal_checkpoint(TRUNCATE)"));
    if (busy != 0) return Error{ErrorCode::kBusy, "Another process reads the store's -wal. End it."};
    return {};
}

Result<void> create_database(const path& file, const std::function<Result<void>(Connection&)>& fill) {
    HWVAULT_CHECK(check_unused(file));
    const path unfinished = beside(file, ".new");
    remove_unfinished(unfinished);  // what an interrupted start left
    if (auto filled = fill_new_file(unfinished, fill); !filled) {
        remove_unfinished(unfinished);
        return filled;
    }
    return move_new_database(unfinished, file);
}

Result<void> move_new_database(const path& made, const path& file) {
    HWVAULT_CHECK(check_unused(file));
    HWVAULT_CHECK(check_complete(made, file));
    if (::link(made.c_str(), file.c_str()) != 0) {
        return errno_error("link " + file.string(), errno,
                           errno == EEXIST ? ErrorCode::kAlreadyExists : ErrorCode::kInternal);
    }
    if (::unlink(made.c_str()) != 0) return errno_error("unlink " + made.string(), errno);
    return os::sync_folder(file.parent_path());
}

}  // namespace hwvault::store
