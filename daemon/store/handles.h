// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Owning types for SQLite's handles, and the one gate that puts its errors into words. Only daemon/store/ sees
// SQLite.
//
// A Cursor is one execution of a prepared Statement: it is reset, and forgets what was bound, when it goes, so that
// no early return leaves a transaction open or a pointer behind. Reading a column of another type than asked for
// gives nullopt: nothing in the file is taken to be what it should be.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include <sqlite3.h>

#include "foundation/bytes.h"
#include "foundation/result.h"

namespace hwvault::store {

// kStoreTampered; `finding` completes "The store was changed by something other than hwvaultd: ".
Error tampered(std::string_view finding);

// Nothing for SQLITE_OK, SQLITE_ROW and SQLITE_DONE; else kQuotaExceeded (disk full), kBusy (somebody else has the
// file open), kStoreTampered (it does not read as a database), or kInternal, naming `call` and the file.
Result<void> check_sqlite(std::string_view call, int code, sqlite3* connection);

class Statement {
public:
    Statement() = default;
    explicit Statement(sqlite3_stmt* handle) : handle_(handle) {}
    [[nodiscard]] sqlite3_stmt* get() const { return handle_.get(); }

private:
    struct Finalize {
        void operator()(sqlite3_stmt* handle) const { sqlite3_finalize(handle); }
    };
    std::unique_ptr<sqlite3_stmt, Finalize> handle_;
};

class Connection {
public:
    explicit Connection(sqlite3* handle) : handle_(handle) {}
    [[nodiscard]] sqlite3* get() const { return handle_.get(); }

    // One that is kept for as long as the connection.
    [[nodiscard]] Result<Statement> prepare(std::string_view sql) const;
    // Statements without parameters; rows are dropped.
    [[nodiscard]] Result<void> execute(const char* sql) const;
    // The one value of a statement that gives one row, as `PRAGMA user_version` does.
    [[nodiscard]] Result<std::uint64_t> number(std::string_view sql) const;
    [[nodiscard]] Result<std::string> text(std::string_view sql) const;

private:
    struct Close {
        void operator()(sqlite3* handle) const { sqlite3_close_v2(handle); }
    };
    std::unique_ptr<sqlite3, Close> handle_;
};

class Cursor {
public:
    explicit Cursor(const Statement& statement) : handle_(statement.get()) {}
    Cursor(const Cursor&) = delete;
    Cursor& operator=(const Cursor&) = delete;
    ~Cursor();

    // Each binds the next parameter; the bytes must live as long as the cursor.
    Cursor& bind(std::uint64_t number);  // kept in its two's complement, since SQLite has no unsigned integers
    Cursor& bind(BytesView blob);
    Cursor& bind(std::optional<BytesView> blob);  // NULL when there is none
    Cursor& bind(std::string_view text);

    // True when there is a row.
    Result<bool> next();
    // For statements that give no rows.
    Result<void> run();

    [[nodiscard]] std::optional<std::uint64_t> number(int column) const;
    // Views live until next() or the end of the cursor.
    [[nodiscard]] std::optional<BytesView> blob(int column) const;
    [[nodiscard]] std::optional<std::string_view> text(int column) const;
    [[nodiscard]] bool is_null(int column) const;

private:
    void keep_failure(int code);

    sqlite3_stmt* handle_;
    int bound_{0};
    int failure_{SQLITE_OK};  // the first failed bind, told by next()
};

// Rolled back when it goes without having been committed.
class Transaction {
public:
    static Result<Transaction> begin(const Connection& connection);
    Transaction(Transaction&& other) noexcept : connection_(std::exchange(other.connection_, nullptr)) {}
    Transaction& operator=(Transaction&&) = delete;
    ~Transaction();

    // Durable when it succeeds; rolled back when it does not.
    Result<void> commit();

private:
    explicit Transaction(const Connection& connection) : connection_(&connection) {}
    const Connection* connection_;
};

}  // namespace hwvault::store
