// SPDX-License-Identifier: LGPL-2.1-or-later
#include "daemon/store/schema.h"

#include <array>

namespace hwvault::store {
namespace {

// SQLite keeps the text of a CREATE as it was written, so the same letters make a table and check it.
#define HWVAULT_CREATE_EVENTS \
    "CREATE TABLE events (sequence INTEGER PRIMARY KEY, body BLOB NOT NULL, hash BLOB NOT NULL) STRICT"
// Those of version 1 are cut where later versions add their columns, as SQLite's ALTER TABLE puts them into the text.
#define HWVAULT_HEAD_COLUMNS                                                                                    \
    "CREATE TABLE head (single INTEGER PRIMARY KEY CHECK (single = 1), vault BLOB NOT NULL, prefix TEXT NOT "   \
    "NULL, base INTEGER NOT NULL, device_origin INTEGER NOT NULL, epoch INTEGER NOT NULL, count INTEGER NOT "   \
    "NULL, sum BLOB NOT NULL, audit_sequence INTEGER NOT NULL, audit_head BLOB NOT NULL, time_mark INTEGER NOT " \
    "NULL, mac BLOB NOT NULL"
#define HWVAULT_RECORDS_COLUMNS                                                                                \
    "CREATE TABLE records (row INTEGER PRIMARY KEY, kind INTEGER NOT NULL, id BLOB NOT NULL, version INTEGER " \
    "NOT NULL, body BLOB NOT NULL, content BLOB, mac BLOB NOT NULL"
#define HWVAULT_RECIPIENT "recipient BLOB NOT NULL DEFAULT x''"
#define HWVAULT_CHECKPOINT "checkpoint BLOB NOT NULL DEFAULT x''"
#define HWVAULT_COUNTER "counter BLOB NOT NULL DEFAULT x''"
#define HWVAULT_UNPROTECTED "unprotected INTEGER NOT NULL DEFAULT 0"
#define HWVAULT_AUDIT_FIRST "audit_first INTEGER NOT NULL DEFAULT 1"
#define HWVAULT_AUDIT_WRITTEN "audit_written INTEGER NOT NULL DEFAULT 0"
#define HWVAULT_ESCROW "escrow BLOB"
#define HWVAULT_CREATE_IMAGES \
    "CREATE TABLE images (row INTEGER PRIMARY KEY, round INTEGER NOT NULL, id BLOB NOT NULL, image BLOB) STRICT"
// No types, which SQLite would look for when it checks the file: a value that is strange is left aside, and harms nothing.
#define HWVAULT_CREATE_USES "CREATE TABLE uses (row INTEGER PRIMARY KEY, at)"

constexpr std::array<const char*, 4> kMigrations{
    HWVAULT_CREATE_EVENTS ";" HWVAULT_HEAD_COLUMNS ") STRICT;" HWVAULT_RECORDS_COLUMNS ") STRICT",
    // Recovery (docs/formats/escrow.md), and which counter the epoch is held against.
    "ALTER TABLE head ADD COLUMN " HWVAULT_RECIPIENT ";ALTER TABLE head ADD COLUMN " HWVAULT_CHECKPOINT
    ";ALTER TABLE head ADD COLUMN " HWVAULT_COUNTER ";ALTER TABLE head ADD COLUMN " HWVAULT_UNPROTECTED
    ";ALTER TABLE records ADD COLUMN " HWVAULT_ESCROW ";" HWVAULT_CREATE_IMAGES,
    // Audit files (docs/formats/audit.md): what they have need not stay in the store.
    "ALTER TABLE head ADD COLUMN " HWVAULT_AUDIT_FIRST ";ALTER TABLE head ADD COLUMN " HWVAULT_AUDIT_WRITTEN,
    // When tokens were last used, over a restart.
    HWVAULT_CREATE_USES,
};

struct SchemaObject {
    std::string_view name;
    std::string_view sql;
};
// What the last migration leaves, by name.
constexpr std::array<SchemaObject, 5> kSchema{{
    {"events", HWVAULT_CREATE_EVENTS},
    {"head", HWVAULT_HEAD_COLUMNS ", " HWVAULT_RECIPIENT ", " HWVAULT_CHECKPOINT ", " HWVAULT_COUNTER
                                  ", " HWVAULT_UNPROTECTED ", " HWVAULT_AUDIT_FIRST ", " HWVAULT_AUDIT_WRITTEN ") STRICT"},
    {"images", HWVAULT_CREATE_IMAGES},
    {"records", HWVAULT_RECORDS_COLUMNS ", " HWVAULT_ESCROW ") STRICT"},
    {"uses", HWVAULT_CREATE_USES},
}};

Result<std::uint64_t> version_of(const Connection& connection) {
    return connection.number("PRAGMA user_version");
}

Error too_new(std::uint64_t found, std::uint64_t known) {
    return {ErrorCode::kInvalidArgument, "The store has version " + std::to_string(found) +
                                             " and this hwvaultd knows versions up to " + std::to_string(known) +
                                             ". It was left as it is: install the newer hwvault that wrote it."};
}

Error missing(const SchemaObject& expected) {
    return tampered("its table `" + std::string(expected.name) + "` is missing.");
}

Error unexpected(const Cursor& found) {
    return tampered("its " + std::string(found.text(0).value_or("entry")) + " `" +
                    std::string(found.text(1).value_or("without a name")) + "` is not one that hwvaultd made.");
}

// Both lists go by name, so a later name than the expected one says that this one is not there.
Result<void> compare(const Cursor& found, const SchemaObject& expected) {
    if (found.text(1) > expected.name) return missing(expected);
    const bool same = found.text(0) == "table" && found.text(1) == expected.name && found.text(2) == expected.name &&
                      found.text(3) == expected.sql;
    if (!same) return unexpected(found);
    return {};
}

}  // namespace

std::span<const char* const> migrations() {
    return kMigrations;
}

Result<void> migrate(const Connection& connection, std::span<const char* const> steps) {
    HWVAULT_TRY(std::uint64_t version, version_of(connection));
    if (version > steps.size()) return too_new(version, steps.size());
    for (; version < steps.size(); ++version) {
        HWVAULT_TRY(Transaction transaction, Transaction::begin(connection));
        HWVAULT_CHECK(connection.execute(steps[version]));
        HWVAULT_CHECK(connection.execute(("PRAGMA user_version = " + std::to_string(version + 1)).c_str()));
        HWVAULT_CHECK(transaction.commit());
    }
    return {};
}

Result<void> check_version(const Connection& connection) {
    HWVAULT_TRY(const std::uint64_t application, connection.number("PRAGMA application_id"));
    if (application != kApplicationId) return tampered("the file is not a store of hwvault.");
    HWVAULT_TRY(const std::uint64_t version, version_of(connection));
    if (version == 0) return tampered("the file has no schema version.");
    if (version > kMigrations.size()) return too_new(version, kMigrations.size());
    return {};
}

Result<void> check_is_newest(const Connection& connection) {
    HWVAULT_TRY(const std::uint64_t version, version_of(connection));
    if (version == kMigrations.size()) return {};
    return Error{ErrorCode::kInvalidArgument, "The store has version " + std::to_string(version) +
                                                  " and is read without its device by the hwvault that wrote it alone. "
                                                  "Use that one."};
}

Result<void> check_schema(const Connection& connection) {
    HWVAULT_TRY(const Statement statement,
                connection.prepare("SELECT type, name, tbl_name, sql FROM sqlite_schema ORDER BY name"));
    Cursor cursor{statement};
    for (const SchemaObject& expected : kSchema) {
        HWVAULT_TRY(const bool found, cursor.next());
        if (!found) return missing(expected);
        HWVAULT_CHECK(compare(cursor, expected));
    }
    HWVAULT_TRY(const bool more, cursor.next());
    if (more) return unexpected(cursor);
    return {};
}

}  // namespace hwvault::store
