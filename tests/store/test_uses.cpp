// SPDX-License-Identifier: LGPL-2.1-or-later
//
// When tokens were last used: kept over a restart, believed by nobody, and no reason to refuse a store whatever stands there.
#include <array>
#include <fstream>
#include <iterator>

#include <sqlite3.h>

#include "tests/store/fixture.h"

using namespace hwvault;
using namespace hwvault::store;
using namespace hwvault::store::testing;

namespace {

constexpr vault::UnixTime kNow = 1'000'000;

// By token, those that are known.
std::map<vault::Id, vault::UnixTime> uses_in(const path& file) {
    Records all;
    const auto opened = Store::open(file, root_key(), add_to(all));
    if (!opened) FAIL(opened.error().message);
    REQUIRE(all.used.size() == all.tokens.size());
    std::map<vault::Id, vault::UnixTime> uses;
    for (std::size_t i = 0; i < all.tokens.size(); ++i) {
        if (all.used[i] != 0) uses.emplace(all.tokens[i].id, all.used[i]);
    }
    return uses;
}

// The one value of a statement, past the product's own code.
std::string raw_text(const path& file, const char* sql) {
    sqlite3* connection = nullptr;
    REQUIRE(sqlite3_open(file.c_str(), &connection) == SQLITE_OK);
    std::string text;
    const auto take = [](void* to, int, char** values, char**) {
        *static_cast<std::string*>(to) = values[0];
        return 0;
    };
    REQUIRE(sqlite3_exec(connection, sql, take, &text, nullptr) == SQLITE_OK);
    REQUIRE(sqlite3_close(connection) == SQLITE_OK);
    return text;
}

// A page of SQLite's that leads to the same page `below` a hundred times.
std::string page_above(std::uint32_t below, std::size_t page_size) {
    constexpr std::size_t kCells = 100;
    constexpr std::size_t kCellSize = 5;
    std::string page(page_size, '\0');
    const auto put = [&](std::size_t at, std::size_t size, std::size_t number) {
        for (std::size_t i = 0; i < size; ++i) page[at + i] = static_cast<char>(number >> 8 * (size - 1 - i));
    };
    put(0, 1, 5);  // an inner page of a table
    put(3, 2, kCells);
    put(5, 2, page_size - kCells * kCellSize);
    put(8, 4, below);
    for (std::size_t i = 0; i < kCells; ++i) {
        put(12 + 2 * i, 2, page_size - (i + 1) * kCellSize);
        put(page_size - (i + 1) * kCellSize, 4, below);
    }
    return page;
}

LastUse used(std::uint64_t token, vault::UnixTime at) {
    return {.token = id_of('t', token), .at = at, .place = 0};
}

// The sample, with uses of `ci` (row 4) and `stripe` (row 6).
path used_store(const TemporaryFolder& folder) {
    const path file = sample_store(folder);
    REQUIRE(open_store(file, root_key()).store->save_uses(std::array{used(2, 5'000), used(4, 6'000)}, kNow));
    return file;
}

}  // namespace

TEST_CASE("When a token was last used is known when the store is opened again") {
    const TemporaryFolder folder;
    const path file = used_store(folder);
    CHECK(uses_in(file) == std::map<vault::Id, vault::UnixTime>{{id_of('t', 2), 5'000}, {id_of('t', 4), 6'000}});
    {
        OpenStore open = open_store(file, root_key());
        REQUIRE(open.store->save_uses(std::array{used(2, 7'000), used(1, 7'001), used(77, 7'002)}, kNow));  // the last is no token
        CHECK(open.store->place_of(id_of('t', 2)) == 4);
        CHECK(open.store->place_of(id_of('t', 77)) == 0);
        REQUIRE(open.commit(put(token_of(2, account_of(2, "app:deploy"), "ci"))));  // it stays when the record is written
    }
    CHECK(uses_in(file) ==
          std::map<vault::Id, vault::UnixTime>{{id_of('t', 1), 7'001}, {id_of('t', 2), 7'000}, {id_of('t', 4), 6'000}});
    CHECK(raw_text(file, "SELECT count(*) FROM uses") == "3");
}

TEST_CASE("A later use is kept, unless it is later than now or no time at all") {
    const TemporaryFolder folder;
    const path file = used_store(folder);
    const auto after = [&](const char* sql, vault::UnixTime at, vault::UnixTime now) {
        edit_raw(file, sql);
        REQUIRE(open_store(file, root_key()).store->save_uses(std::array{used(2, at)}, now));
        return uses_in(file)[id_of('t', 2)];
    };
    CHECK(after("UPDATE uses SET at = 5000", 4'000, kNow) == 5'000);
    CHECK(after("UPDATE uses SET at = 5000", 4'000, 4'999) == 4'000);
    CHECK(after("UPDATE uses SET at = 9000000000", 4'000, kNow) == 4'000);
    for (const char* const nonsense : {"'long ago'", "x'00'", "1e9", "NULL", "-1"}) {
        CHECK(after(("UPDATE uses SET at = " + std::string(nonsense)).c_str(), 4'000, kNow) == 4'000);
    }
}

TEST_CASE("Uses are told beside their tokens in a store of many, whichever of them have one") {
    constexpr std::uint64_t kTokens = 9'000;  // three batches
    const TemporaryFolder folder;
    const path file = new_store(folder);
    std::map<vault::Id, vault::UnixTime> expected;
    {
        OpenStore open = open_store(file, root_key());
        const auto account = account_of(2, "app:deploy");
        vault::Change all = put(account);
        std::vector<LastUse> uses;
        for (std::uint64_t i = 0; i < kTokens; ++i) {
            all.tokens.push_back({token_of(i, account, "t" + std::to_string(i)), false, std::nullopt});
            if (i % 3 == 0) uses.push_back(used(i, 20'000 + i));
        }
        REQUIRE(open.commit(std::move(all)));
        REQUIRE(open.store->save_uses(uses, kNow));
        for (const LastUse& use : uses) expected.emplace(use.token, use.at);
    }
    CHECK(uses_in(file) == expected);
}

TEST_CASE("A use goes with its record, and what comes into the same row later has none") {
    const TemporaryFolder folder;
    const path file = used_store(folder);
    {
        OpenStore open = open_store(file, root_key());
        REQUIRE(open.commit(erase(imported_token_of(4, account_of(2, "app:deploy"), "stripe")), true));
        REQUIRE(open.commit(put(token_of(5, account_of(2, "app:deploy"), "next"))));
        CHECK(open.store->place_of(id_of('t', 5)) == 6);
    }
    CHECK(uses_in(file) == std::map<vault::Id, vault::UnixTime>{{id_of('t', 2), 5'000}});
}

TEST_CASE("Saving uses leaves the head, the records and the trail as they are, and a commit goes on from there") {
    const TemporaryFolder folder;
    const path file = sample_store(folder);
    const auto before = read_all(file, root_key());
    const std::string head = raw_text(file, "SELECT hex(mac) || hex(sum) || epoch || time_mark FROM head");
    REQUIRE(open_store(file, root_key()).store->save_uses(std::array{used(2, 5'000)}, kNow));
    CHECK(raw_text(file, "SELECT hex(mac) || hex(sum) || epoch || time_mark FROM head") == head);
    CHECK(read_all(file, root_key()) == before);
    {
        OpenStore open = open_store(file, root_key());
        REQUIRE(open.store->save_uses(std::array{used(2, 5'001)}, kNow));
        REQUIRE(open.commit(put(account_of(9, "user:bob"))));
        REQUIRE(open.store->save_uses(std::array{used(3, 5'002)}, kNow));
    }
    CHECK(read_all(file, root_key())->accounts.size() == 3);
    CHECK(uses_in(file).size() == 2);
}

TEST_CASE("Whatever somebody writes for uses, the store is the same, and what cannot be is left aside") {
    const TemporaryFolder folder;
    const path file = used_store(folder);
    const auto before = read_all(file, root_key());
    for (const char* const sql :
         {"DELETE FROM uses", "UPDATE uses SET at = 'long ago'", "UPDATE uses SET at = NULL", "UPDATE uses SET at = x'0102'",
          "UPDATE uses SET at = 1.5", "UPDATE uses SET at = -1", "UPDATE uses SET at = 4294967296", "UPDATE uses SET at = 0",
          "UPDATE uses SET at = 1001",  // before the tokens were made
          "UPDATE uses SET row = row + 100", "UPDATE uses SET row = -row"}) {
        CAPTURE(sql);
        const path edited = folder.get() / "edited.db";
        copy_store(file, edited);
        edit_raw(edited, sql);
        CHECK(uses_in(edited).empty());
        CHECK(read_all(edited, root_key()) == before);
    }
    // Of accounts, of rows before and between and behind the records: the two that are true are still told.
    edit_raw(file, "INSERT INTO uses VALUES (-5, 5000), (0, 5000), (1, 5000), (3, 5000), (99, 5000), (5, 'x')");
    CHECK(uses_in(file).size() == 2);
    CHECK(read_all(file, root_key()) == before);
    REQUIRE(open_store(file, root_key()).store->save_uses(std::array{used(3, 8'000)}, kNow));
    CHECK(uses_in(file).at(id_of('t', 3)) == 8'000);
}

TEST_CASE("A table of uses whose pages lead to the same ones again and again is found, and keeps nobody waiting") {
    const TemporaryFolder folder;
    const path file = used_store(folder);
    edit_raw(file, "DELETE FROM uses; INSERT INTO uses VALUES (-1, 5000)");
    const std::size_t root = std::stoul(raw_text(file, "SELECT rootpage FROM sqlite_schema WHERE name = 'uses'"));
    const std::size_t page_size = std::stoul(raw_text(file, "PRAGMA page_size"));
    REQUIRE_FALSE(std::filesystem::exists(file.string() + "-wal"));
    std::ifstream read(file, std::ios::binary);
    std::string content(std::istreambuf_iterator<char>(read), {});
    constexpr std::uint32_t kLevels = 6;
    const auto first = static_cast<std::uint32_t>(content.size() / page_size + 1);
    content += content.substr((root - 1) * page_size, page_size);
    for (std::uint32_t level = 0; level < kLevels; ++level) content += page_above(first + level, page_size);
    content.replace((root - 1) * page_size, page_size, page_above(first + kLevels, page_size));
    content[31] = static_cast<char>(content.size() / page_size);  // how many pages there are
    std::ofstream(file, std::ios::binary) << content;
    const auto refused = Store::open(file, root_key());
    REQUIRE_FALSE(refused);
    CHECK(refused.error().message.find("pages do not fit together") != std::string::npos);
}

TEST_CASE("The table of uses itself belongs to the store") {
    const TemporaryFolder folder;
    const path file = used_store(folder);
    edit_raw(file, "DROP TABLE uses");
    const auto refused = Store::open(file, root_key());
    REQUIRE_FALSE(refused);
    CHECK(refused.error().code == ErrorCode::kStoreTampered);
    CHECK(refused.error().message.find("its table `uses` is missing") != std::string::npos);
}

TEST_CASE("A store of version 3 is taken up, and uses are saved in it from then on") {
    const TemporaryFolder folder;
    const path file = sample_store(folder);
    const auto before = read_all(file, root_key());
    edit_raw(file, "DROP TABLE uses; PRAGMA user_version = 3");
    CHECK(uses_in(file).empty());
    CHECK(raw_text(file, "PRAGMA user_version") == "4");
    CHECK(read_all(file, root_key()) == before);
    REQUIRE(open_store(file, root_key()).store->save_uses(std::array{used(2, 5'000)}, kNow));
    CHECK(uses_in(file).size() == 1);
}
