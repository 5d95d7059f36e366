// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Every way to change a store behind hwvaultd's back: by SQL, by bytes, by other files. Row numbers are those of
// sample_store().
#include <array>

#include "tests/store/fixture.h"

using namespace hwvault;
using namespace hwvault::store;
using namespace hwvault::store::testing;

namespace {

// The message of the kStoreTampered that reading the store must give.
std::string finding(const path& file, const SecretBytes& root = root_key()) {
    const auto all = read_all(file, root);
    REQUIRE_FALSE(all);
    INFO(all.error().message);
    REQUIRE(all.error().code == ErrorCode::kStoreTampered);
    return all.error().message;
}

bool says(const std::string& message, std::string_view words) {
    return message.find(words) != std::string::npos;
}

struct Edit {
    std::string_view sql;
    std::string_view words;  // that the finding must have
};

void check_edits(std::span<const Edit> edits) {
    const TemporaryFolder folder;
    const path file = sample_store(folder);
    const path edited = folder.get() / "edited.db";
    for (const Edit& edit : edits) {
        copy_store(file, edited);
        edit_raw(edited, std::string(edit.sql));
        INFO(edit.sql);
        const std::string found = finding(edited);
        CHECK(says(found, edit.words));
        // What was found stays found: looking has not mended it.
        CHECK(finding(edited) == found);
    }
    CHECK(read_all(file, root_key()));
}

// Runs `sql` on the store with an older copy of it attached as `older`.
void edit_with_older(const path& file, const path& older, const std::string& sql) {
    edit_raw(file, "ATTACH '" + older.string() + "' AS older; " + sql);
}

}  // namespace

TEST_CASE("An edited record is found and named") {
    constexpr std::string_view kCi = "the record of the token `ci` of `app:deploy` (row 4) is not what hwvaultd wrote";
    constexpr std::string_view kDeploy = "the record of the account `app:deploy` (row 3) is not what hwvaultd wrote";
    check_edits(std::array<Edit, 14>{{
        // One bit of the last byte of the nonce, of the creation time, and of the whole body.
        {"UPDATE records SET body = CAST(substr(body, 1, length(body) - 1) || x'05' AS BLOB) WHERE row = 4", ""},
        {"UPDATE records SET body = (SELECT body FROM records WHERE row = 2) WHERE row = 4", "`default`"},
        {"UPDATE records SET body = x'' WHERE row = 4", "the record of a token (row 4)"},
        {"UPDATE records SET version = version + 1 WHERE row = 4", kCi},
        {"UPDATE records SET version = version + 1 WHERE row = 3", kDeploy},
        {"UPDATE records SET mac = zeroblob(32) WHERE row = 4", kCi},
        {"UPDATE records SET mac = zeroblob(32) WHERE row = 3", kDeploy},
        {"UPDATE records SET mac = x'' WHERE row = 4", "row 4 of its records does not read as one"},
        {"UPDATE records SET id = zeroblob(16) WHERE row = 4", kCi},
        {"UPDATE records SET id = zeroblob(15) WHERE row = 4", "row 4 of its records does not read as one"},
        {"UPDATE records SET kind = 1 WHERE row = 4", "the record of an account (row 4)"},
        {"UPDATE records SET kind = 3 WHERE row = 4", "row 4 of its records does not read as one"},
        {"UPDATE records SET content = x'00' WHERE row = 4", kCi},
        {"UPDATE records SET content = x'' WHERE row = 4", kCi},
    }});
}

TEST_CASE("An edited, dropped or shortened content is found and named") {
    constexpr std::string_view kStripe = "the record of the token `stripe` of `app:deploy` (row 6)";
    check_edits(std::array<Edit, 4>{{
        {"UPDATE records SET content = NULL WHERE row = 6", kStripe},
        {"UPDATE records SET content = x'' WHERE row = 6", kStripe},
        {"UPDATE records SET content = CAST(substr(content, 1, 2999) AS BLOB) WHERE row = 6", kStripe},
        {"UPDATE records SET content = CAST(substr(content, 1, 2999) || x'5b' AS BLOB) WHERE row = 6", kStripe},
    }});
}

TEST_CASE("A missing, added or swapped record is found") {
    check_edits(std::array<Edit, 7>{{
        {"DELETE FROM records WHERE row = 4", "1 of its records are missing"},
        {"DELETE FROM records", "6 of its records are missing"},
        {"INSERT INTO records SELECT 7, kind, id, version, body, content, mac, escrow FROM records WHERE row = 4",
         "`ci` of `app:deploy` is there twice"},
        {"INSERT INTO records SELECT 7, kind, zeroblob(16), version, body, content, mac, escrow FROM records WHERE row = 4",
         "`ci` of `app:deploy` (row 7)"},
        // Bodies of two rows exchanged, and then ids.
        {"UPDATE records SET body = (SELECT body FROM records AS r WHERE r.row = 9 - records.row) WHERE row IN (4, 5)",
         "(row 4) is not what hwvaultd wrote"},
        {"UPDATE records SET id = (SELECT id FROM records AS r WHERE r.row = 9 - records.row) WHERE row IN (4, 5)",
         "`ci` of `app:deploy` (row 4)"},
        {"UPDATE records SET body = (SELECT body FROM records AS r WHERE r.row = 9 - records.row), mac = (SELECT mac "
         "FROM records AS r WHERE r.row = 9 - records.row) WHERE row IN (4, 5)",
         "(row 4) is not what hwvaultd wrote"},
    }});
}

TEST_CASE("Whole rows that changed their places are the same records") {
    const TemporaryFolder folder;
    const path file = sample_store(folder);
    const auto before = read_all(file, root_key());
    edit_raw(file, "UPDATE records SET row = 100 WHERE row = 4; UPDATE records SET row = 4 WHERE row = 5;"
                   "UPDATE records SET row = 5 WHERE row = 100");
    const auto after = read_all(file, root_key());
    REQUIRE(after);
    CHECK(*after == *before);
}

TEST_CASE("An edited, missing or doubled head is found") {
    const std::string_view mismatch = "its head does not match";
    check_edits(std::array<Edit, 16>{{
        {"UPDATE head SET epoch = 2", mismatch},
        {"UPDATE head SET epoch = 0", mismatch},
        {"UPDATE head SET base = 1", mismatch},
        {"UPDATE head SET device_origin = 0", mismatch},
        {"UPDATE head SET count = 5", mismatch},
        {"UPDATE head SET sum = zeroblob(32)", mismatch},
        {"UPDATE head SET audit_sequence = 4", mismatch},
        {"UPDATE head SET audit_head = zeroblob(32)", mismatch},
        {"UPDATE head SET time_mark = 0", mismatch},
        {"UPDATE head SET vault = zeroblob(16)", mismatch},
        {"UPDATE head SET prefix = 'abc_'", mismatch},
        {"UPDATE head SET prefix = 'not a prefix'", "its head does not read as one"},
        {"UPDATE head SET mac = zeroblob(32)", mismatch},
        {"DELETE FROM head", "its head is missing"},
        {"UPDATE head SET single = 2", "its head does not read as one"},
        {"INSERT INTO head SELECT 2, vault, prefix, base, device_origin, epoch, count, sum, audit_sequence, audit_head,"
         " time_mark, mac, recipient, checkpoint, counter, unprotected, audit_first, audit_written FROM head",
         "it has more than one head"},
    }});
}

TEST_CASE("Dropped, added and edited audit events are found") {
    constexpr std::string_view kMissing = "events of its audit trail are missing or were added";
    check_edits(std::array<Edit, 9>{{
        {"DELETE FROM events WHERE sequence = 5", kMissing},
        {"DELETE FROM events WHERE sequence = 2", kMissing},
        {"DELETE FROM events WHERE sequence = 1", kMissing},
        {"DELETE FROM events", kMissing},
        {"INSERT INTO events VALUES (6, x'', zeroblob(32))", kMissing},
        {"UPDATE events SET sequence = 7 WHERE sequence = 3", kMissing},
        {"UPDATE events SET hash = zeroblob(32) WHERE sequence = 5", "the last event of its audit trail"},
        {"UPDATE events SET hash = zeroblob(32) WHERE sequence = 3", ""},
        {"UPDATE events SET body = x'' WHERE sequence = 3", ""},
    }});
}

TEST_CASE("A file whose tables are not hwvault's is not read") {
    check_edits(std::array<Edit, 10>{{
        {"CREATE TABLE more (x)", "its table `more` is not one that hwvaultd made"},
        {"CREATE VIEW more AS SELECT * FROM records", "its view `more`"},
        {"CREATE TRIGGER more AFTER INSERT ON events BEGIN DELETE FROM records; END", "its trigger `more`"},
        {"CREATE INDEX more ON records (id)", "its index `more`"},
        {"ALTER TABLE records ADD COLUMN more INTEGER", "its table `records`"},
        {"DROP TABLE events", "its table `events` is missing"},
        {"DROP TABLE records", "its table `records` is missing"},
        {"DROP TABLE head; CREATE VIEW head AS SELECT 1 AS single", "its view `head`"},
        {"PRAGMA application_id = 1", "is not a store of hwvault"},
        {"PRAGMA user_version = 0", "has no schema version"},
    }});
}

TEST_CASE("A file in another journal mode is not read") {
    check_edits(std::array<Edit, 1>{{{"PRAGMA journal_mode = DELETE", "settings in the file's first page"}}});
}

TEST_CASE("An old row put back with its own MAC is found") {
    const TemporaryFolder folder;
    const path file = sample_store(folder);
    const path older = folder.get() / "older.db";
    copy_store(file, older);
    const auto deploy = account_of(2, "app:deploy");
    OpenStore open = open_store(file, root_key());
    vault::Token ci = token_of(2, deploy, "ci");
    ci.revoked = true;
    REQUIRE(open.commit(put(ci), true));
    REQUIRE(open.commit(erase(token_of(3, deploy, "release")), true));
    open.store.reset();

    SECTION("in the place of the newer one") {
        edit_with_older(file, older,
                        "UPDATE records SET (version, body, mac) = (SELECT version, body, mac FROM older.records AS r"
                        " WHERE r.row = records.row) WHERE row = 4");
        CHECK(says(finding(file), "a record was replaced by an older one"));
    }
    SECTION("after it was deleted") {
        edit_with_older(file, older, "INSERT INTO records SELECT * FROM older.records WHERE row = 5");
        CHECK(says(finding(file), "1 records that were deleted are back"));
    }
    SECTION("in exchange for another, so that the count is right") {
        edit_with_older(file, older,
                        "INSERT INTO records SELECT * FROM older.records WHERE row = 5;"
                        "DELETE FROM records WHERE row = 2");
        CHECK(says(finding(file), "a record was replaced by an older one"));
    }
    SECTION("all of them, under the head of now") {
        edit_with_older(file, older, "DELETE FROM records; INSERT INTO records SELECT * FROM older.records");
        CHECK(says(finding(file), "1 records that were deleted are back"));
    }
    SECTION("the head of then over the records of now") {
        edit_with_older(file, older, "DELETE FROM head; INSERT INTO head SELECT * FROM older.head");
        CHECK(says(finding(file), "1 of its records are missing"));
    }
}

TEST_CASE("A complete older copy is authentic, and its epoch tells that it is one") {
    const TemporaryFolder folder;
    const path file = sample_store(folder);
    const path older = folder.get() / "older.db";
    copy_store(file, older);
    OpenStore open = open_store(file, root_key());
    REQUIRE(open.commit(erase(token_of(2, account_of(2, "app:deploy"), "ci")), true));
    const std::uint64_t device = open.epoch + 40;
    open.store.reset();
    const auto all = read_all(older, root_key());
    REQUIRE(all);
    CHECK(all->device_target < device);
}

TEST_CASE("The store of another vault, or under another device's key, is refused") {
    const TemporaryFolder folder;
    const path file = sample_store(folder);
    CHECK(says(finding(file, root_key(2)), "or it was made with another device"));
    const path other = new_store(folder, "other.db", 2);
    copy_store(other, file);
    CHECK(says(finding(file), "its head does not match"));
}

TEST_CASE("A row or a head of another vault is found") {
    const TemporaryFolder folder;
    const path file = sample_store(folder);
    const path other = new_store(folder, "other.db", 2);
    {
        OpenStore open = open_store(other, root_key(2));
        fill_sample(open);
    }
    SECTION("a row") {
        edit_with_older(file, other, "UPDATE records SET mac = (SELECT mac FROM older.records AS r WHERE r.row = 4)"
                                     " WHERE row = 4");
        CHECK(says(finding(file), "`ci` of `app:deploy`"));
    }
    SECTION("the head") {
        edit_with_older(file, other, "DELETE FROM head; INSERT INTO head SELECT * FROM older.head");
        CHECK(says(finding(file), "its head does not match"));
    }
}

TEST_CASE("A file cut short, emptied or of another kind is found, and left as it is") {
    const TemporaryFolder folder;
    const path file = sample_store(folder);
    const Bytes whole = file_bytes(file);
    const std::vector<std::size_t> sizes{0, 1, 99, 4095, 4096, whole.size() / 2, whole.size() - 4096,
                                         whole.size() - 1};
    for (const std::size_t size : sizes) {
        INFO(size);
        write_bytes(file, BytesView{whole}.first(size));
        CHECK_FALSE(finding(file).empty());
        CHECK(std::filesystem::file_size(file) == size);
    }
    write_bytes(file, Bytes(8192, 'x'));
    CHECK_FALSE(finding(file).empty());
    std::filesystem::remove(file);
    std::filesystem::create_directory(file);
    CHECK(says(finding(file), "not a regular file"));
    std::filesystem::remove(file);
    write_bytes(folder.get() / "real.db", whole);
    std::filesystem::create_symlink(folder.get() / "real.db", file);
    CHECK(says(finding(file), "not a regular file"));
}

TEST_CASE("A rollback journal beside the store is found, and not played back") {
    const TemporaryFolder folder;
    const path file = sample_store(folder);
    const Bytes before = file_bytes(file);
    write_bytes(file.string() + "-journal", Bytes(8192, 1));
    CHECK(says(finding(file), "a rollback journal lies beside it"));
    CHECK(file_bytes(file) == before);
}

TEST_CASE("A content changed while the store is open is found when it is read") {
    const TemporaryFolder folder;
    const path file = sample_store(folder);
    const auto deploy = account_of(2, "app:deploy");
    {
        // More than SQLite keeps in its cache: what was checked first at the start, which goes from the last row
        // to the first, is read from the file again.
        OpenStore open = open_store(file, root_key());
        for (std::uint64_t number = 8; number < 12; ++number) {
            REQUIRE(open.commit(put(imported_token_of(number, deploy, "more"), Bytes(1 << 20, 0x11))));
        }
        REQUIRE(open.commit(put(imported_token_of(7, deploy, "large"), Bytes(1 << 20, 0x77))));
    }
    OpenStore open = open_store(file, root_key());
    Bytes bytes = file_bytes(file);
    const Bytes run(64, 0x77);
    std::size_t changed = 0;
    for (std::size_t at = 0; at + 4096 <= bytes.size(); at += 4096) {
        const BytesView middle = BytesView{bytes}.subspan(at + 2000, run.size());
        if (!std::equal(middle.begin(), middle.end(), run.begin())) continue;
        bytes[at + 2000] ^= 1;
        ++changed;
    }
    REQUIRE(changed > 200);
    write_bytes(file, bytes);
    const auto content = open.store->read_content(id_of('t', 7));
    REQUIRE_FALSE(content);
    CHECK(content.error().code == ErrorCode::kStoreTampered);
    vault::Token large = imported_token_of(7, deploy, "large");
    large.scopes = {"other"};
    const auto written = open.commit(put(large));
    REQUIRE_FALSE(written);
    CHECK(written.error().code == ErrorCode::kStoreTampered);
}
