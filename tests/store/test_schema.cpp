// SPDX-License-Identifier: LGPL-2.1-or-later
#include <array>

#include "daemon/store/schema.h"
#include "tests/store/fixture.h"

using namespace hwvault;
using namespace hwvault::store;
using namespace hwvault::store::testing;

namespace {

Connection empty_database() {
    sqlite3* handle = nullptr;
    REQUIRE(sqlite3_open(":memory:", &handle) == SQLITE_OK);
    return Connection{handle};
}

std::uint64_t number(const Connection& connection, std::string_view sql) {
    const auto value = connection.number(sql);
    REQUIRE(value);
    return *value;
}

constexpr const char* kOldest = "CREATE TABLE tokens (name TEXT); INSERT INTO tokens VALUES ('ci')";
constexpr const char* kNewer = "ALTER TABLE tokens ADD COLUMN note TEXT; UPDATE tokens SET note = 'moved'";
constexpr const char* kBroken = "ALTER TABLE tokens ADD COLUMN more TEXT; INSERT INTO nowhere VALUES (1)";

}  // namespace

TEST_CASE("A new database takes every migration from 0") {
    const Connection database = empty_database();
    REQUIRE(migrate(database, migrations()));
    CHECK(number(database, "PRAGMA user_version") == migrations().size());
    CHECK(check_schema(database));
}

TEST_CASE("An older database takes the steps that it has not had, and no other") {
    const Connection database = empty_database();
    REQUIRE(migrate(database, std::array{kOldest}));
    REQUIRE(number(database, "PRAGMA user_version") == 1);
    const std::array both{kOldest, kNewer};
    REQUIRE(migrate(database, both));
    CHECK(number(database, "PRAGMA user_version") == 2);
    CHECK(number(database, "SELECT count(*) FROM tokens WHERE name = 'ci' AND note = 'moved'") == 1);
    REQUIRE(migrate(database, both));
    CHECK(number(database, "SELECT count(*) FROM tokens") == 1);
}

TEST_CASE("A step that fails leaves nothing of itself, and the steps before it stay") {
    const Connection database = empty_database();
    CHECK_FALSE(migrate(database, std::array{kOldest, kBroken}));
    CHECK(number(database, "PRAGMA user_version") == 1);
    CHECK(number(database, "SELECT count(*) FROM pragma_table_info('tokens')") == 1);
    CHECK(migrate(database, std::array{kOldest, kNewer}));
}

TEST_CASE("A database newer than the steps is refused") {
    const Connection database = empty_database();
    REQUIRE(database.execute("PRAGMA user_version = 3"));
    const auto migrated = migrate(database, std::array{kOldest, kNewer});
    REQUIRE_FALSE(migrated);
    CHECK(migrated.error().code == ErrorCode::kInvalidArgument);
    CHECK(number(database, "SELECT count(*) FROM sqlite_schema") == 0);
}

TEST_CASE("A store of a newer version is refused and every byte of it is left as it is") {
    const TemporaryFolder folder;
    const path file = sample_store(folder);
    const path newer = folder.get() / "newer.db";
    SECTION("with its WAL in the file") {
        edit_raw(file, "PRAGMA user_version = 99");
        copy_store(file, newer);
    }
    SECTION("with the WAL beside it") {
        OpenStore open = open_store(file, root_key());
        REQUIRE(open.commit(put(account_of(9, "user:bob"))));
        copy_store(file, newer);
        open.store.reset();
        sqlite3* raw = nullptr;
        REQUIRE(sqlite3_open(newer.c_str(), &raw) == SQLITE_OK);
        sqlite3_db_config(raw, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, nullptr);
        REQUIRE(sqlite3_exec(raw, "PRAGMA user_version = 99", nullptr, nullptr, nullptr) == SQLITE_OK);
        REQUIRE(sqlite3_close(raw) == SQLITE_OK);
        REQUIRE(std::filesystem::file_size(wal_of(newer)) > 0);
    }
    const bool has_wal = std::filesystem::exists(wal_of(newer));
    const Bytes before = file_bytes(newer);
    const Bytes wal_before = has_wal ? file_bytes(wal_of(newer)) : Bytes{};
    const auto opened = Store::open(newer, root_key());
    REQUIRE_FALSE(opened);
    CHECK(opened.error().code == ErrorCode::kInvalidArgument);
    CHECK(opened.error().message.find("version 99") != std::string::npos);
    CHECK(Store::read_header(newer).error().code == ErrorCode::kInvalidArgument);
    CHECK(file_bytes(newer) == before);
    CHECK((has_wal ? file_bytes(wal_of(newer)) : Bytes{}) == wal_before);
}
