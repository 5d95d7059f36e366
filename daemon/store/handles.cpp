// SPDX-License-Identifier: LGPL-2.1-or-later
#include "daemon/store/handles.h"

#include <cerrno>

namespace hwvault::store {
namespace {

std::string file_of(sqlite3* connection) {
    const char* file = connection != nullptr ? sqlite3_db_filename(connection, "main") : nullptr;
    return file != nullptr ? file : "the store";
}

// A quota of the file system is a full disk too, but SQLite reports it as an I/O error.
bool is_disk_full(int code, sqlite3* connection) {
    if ((code & 0xff) == SQLITE_FULL) return true;
    if ((code & 0xff) != SQLITE_IOERR || connection == nullptr) return false;
    const int reason = sqlite3_system_errno(connection);
    return reason == ENOSPC || reason == EDQUOT;
}

}  // namespace

Error tampered(std::string_view finding) {
    return {ErrorCode::kStoreTampered,
            "The store was changed by something other than hwvaultd: " + std::string(finding) +
                " Nothing of it is used. Put back a copy that was made while hwvaultd was stopped, or run"
                " `hwvault recover`."};
}

Result<void> check_sqlite(std::string_view call, int code, sqlite3* connection) {
    const std::string file = file_of(connection);
    if (is_disk_full(code, connection)) {
        return Error{ErrorCode::kQuotaExceeded, "The disk that holds " + file +
                                                    " is full, so nothing was changed. Free some space there, then"
                                                    " try again."};
    }
    switch (code & 0xff) {
        case SQLITE_OK:
        case SQLITE_ROW:
        case SQLITE_DONE:
            return {};
        case SQLITE_BUSY:
        case SQLITE_LOCKED:
            return Error{ErrorCode::kBusy,
                         "Another hwvaultd has " + file + " open. Stop it first: only one may use a store."};
        case SQLITE_CORRUPT:
        case SQLITE_NOTADB:
        case SQLITE_FORMAT:
        case SQLITE_ERROR:  // the statements are constants and right for the tables that hwvaultd makes
            return tampered(file + " does not read as a store any more (" + sqlite3_errstr(code) + ").");
        case SQLITE_TOOBIG:
            return tampered(file + " has a row that is larger than any that hwvaultd writes.");
        case SQLITE_READONLY:
        case SQLITE_CANTOPEN:
        case SQLITE_PERM:
            return Error{ErrorCode::kInternal, std::string(call) + " on " + file + ": " + sqlite3_errstr(code) +
                                                   ". See that the user who runs hwvaultd owns it and its folder."};
        default:
            return Error{ErrorCode::kInternal, std::string(call) + " on " + file + ": " + sqlite3_errstr(code) +
                                                   " (SQLite code " + std::to_string(code) +
                                                   "). See the kernel's log for errors of the disk."};
    }
}

Result<Statement> Connection::prepare(std::string_view sql) const {
    sqlite3_stmt* handle = nullptr;
    const int code = sqlite3_prepare_v3(get(), sql.data(), static_cast<int>(sql.size()), SQLITE_PREPARE_PERSISTENT,
                                        &handle, nullptr);
    Statement statement{handle};
    HWVAULT_CHECK(check_sqlite("sqlite3_prepare", code, get()));
    return statement;
}

Result<void> Connection::execute(const char* sql) const {
    return check_sqlite("sqlite3_exec", sqlite3_exec(get(), sql, nullptr, nullptr, nullptr), get());
}

Result<std::uint64_t> Connection::number(std::string_view sql) const {
    HWVAULT_TRY(const Statement statement, prepare(sql));
    Cursor cursor{statement};
    HWVAULT_TRY(const bool row, cursor.next());
    const auto value = row ? cursor.number(0) : std::nullopt;
    if (!value) return tampered("`" + std::string(sql) + "` gives no number.");
    return *value;
}

Result<std::string> Connection::text(std::string_view sql) const {
    HWVAULT_TRY(const Statement statement, prepare(sql));
    Cursor cursor{statement};
    HWVAULT_TRY(const bool row, cursor.next());
    const auto value = row ? cursor.text(0) : std::nullopt;
    if (!value) return tampered("`" + std::string(sql) + "` gives no text.");
    return std::string(*value);
}

Cursor::~Cursor() {
    sqlite3_reset(handle_);
    sqlite3_clear_bindings(handle_);
}

void Cursor::keep_failure(int code) {
    if (failure_ == SQLITE_OK) failure_ = code;
}

Cursor& Cursor::bind(std::uint64_t number) {
    keep_failure(sqlite3_bind_int64(handle_, ++bound_, static_cast<sqlite3_int64>(number)));
    return *this;
}

Cursor& Cursor::bind(BytesView blob) {
    // A null pointer would bind NULL, which is not an empty blob.
    const void* data = blob.empty() ? static_cast<const void*>("") : blob.data();
    keep_failure(sqlite3_bind_blob64(handle_, ++bound_, data, blob.size(), SQLITE_STATIC));
    return *this;
}

Cursor& Cursor::bind(std::optional<BytesView> blob) {
    if (blob) return bind(*blob);
    keep_failure(sqlite3_bind_null(handle_, ++bound_));
    return *this;
}

Cursor& Cursor::bind(std::string_view text) {
    keep_failure(sqlite3_bind_text64(handle_, ++bound_, text.data(), text.size(), SQLITE_STATIC, SQLITE_UTF8));
    return *this;
}

Result<bool> Cursor::next() {
    sqlite3* const connection = sqlite3_db_handle(handle_);
    HWVAULT_CHECK(check_sqlite("sqlite3_bind", failure_, connection));
    const int code = sqlite3_step(handle_);
    HWVAULT_CHECK(check_sqlite("sqlite3_step", code, connection));
    return code == SQLITE_ROW;
}

Result<void> Cursor::run() {
    HWVAULT_TRY(const bool row, next());
    if (row) return Error{ErrorCode::kInternal, "A statement that writes gave a row. Report this as a defect."};
    return {};
}

std::optional<std::uint64_t> Cursor::number(int column) const {
    if (sqlite3_column_type(handle_, column) != SQLITE_INTEGER) return std::nullopt;
    return static_cast<std::uint64_t>(sqlite3_column_int64(handle_, column));
}

std::optional<BytesView> Cursor::blob(int column) const {
    if (sqlite3_column_type(handle_, column) != SQLITE_BLOB) return std::nullopt;
    const auto* data = static_cast<const std::uint8_t*>(sqlite3_column_blob(handle_, column));
    return BytesView{data, static_cast<std::size_t>(sqlite3_column_bytes(handle_, column))};
}

std::optional<std::string_view> Cursor::text(int column) const {
    if (sqlite3_column_type(handle_, column) != SQLITE_TEXT) return std::nullopt;
    const auto* data = reinterpret_cast<const char*>(sqlite3_column_text(handle_, column));
    return std::string_view{data, static_cast<std::size_t>(sqlite3_column_bytes(handle_, column))};
}

bool Cursor::is_null(int column) const {
    return sqlite3_column_type(handle_, column) == SQLITE_NULL;
}

Result<Transaction> Transaction::begin(const Connection& connection) {
    HWVAULT_CHECK(connection.execute("BEGIN IMMEDIATE"));
    return Transaction{connection};
}

Transaction::~Transaction() {
    if (connection_ == nullptr) return;
    // SQLite has rolled back by itself after some errors; then there is nothing left to do.
    if (sqlite3_get_autocommit(connection_->get()) == 0) {
        sqlite3_exec(connection_->get(), "ROLLBACK", nullptr, nullptr, nullptr);
    }
}

Result<void> Transaction::commit() {
    HWVAULT_CHECK(connection_->execute("COMMIT"));
    connection_ = nullptr;
    return {};
}

}  // namespace hwvault::store
