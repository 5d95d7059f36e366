// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Escrows beside their records, and the set that a checkpoint signs: what the store gives to be signed is what anybody
// computes from the file, whatever has changed since.
#include <algorithm>

#include "daemon/store/handles.h"
#include "daemon/store/salvage.h"
#include "tests/store/fixture.h"

using namespace hwvault;
using namespace hwvault::store;
using namespace hwvault::store::testing;

namespace {

const Bytes kEscrow(500, 0xe5);

vault::Account deploy() {
    return account_of(2, "app:deploy");
}

path new_signed_store(const TemporaryFolder& folder) {
    const path file = folder.get() / "signed.db";
    const Header header{.vault = id_of('v', 1), .prefix = "hwv_", .recipient = crypto::sha256(bytes_of("recipient"))};
    REQUIRE(Store::create(file, header, root_key(), {40, {}}));
    return file;
}

vault::Change put_with_escrow(vault::Token token, std::optional<Bytes> escrow) {
    vault::Change change;
    change.tokens.push_back({std::move(token), false, std::nullopt, std::move(escrow)});
    return change;
}

// Three tokens: `ci` and `release` have an escrow, `idle` has none.
path sample_signed_store(const TemporaryFolder& folder) {
    const path file = new_signed_store(folder);
    OpenStore open = open_store(file, root_key());
    REQUIRE(open.commit(put(deploy())));
    REQUIRE(open.commit(put_with_escrow(token_of(2, deploy(), "ci"), kEscrow)));
    REQUIRE(open.commit(put_with_escrow(token_of(3, deploy(), "release"), kEscrow)));
    REQUIRE(open.commit(put(token_of(4, deploy(), "idle"))));
    return file;
}

vault::SignedCheckpoint sign(Store& store, std::uint64_t at_least = 0) {
    return {store.next_checkpoint(at_least), Bytes{1, 2, 3}};
}

Result<void> keep(OpenStore& open, const vault::SignedCheckpoint& made) {
    Batch batch;
    batch.epoch = open.epoch;
    batch.time_mark = open.time;
    batch.checkpoint = made;
    return open.store->commit(batch);
}

vault::SignedCheckpoint checkpoint(OpenStore& open) {
    const auto made = sign(*open.store);
    REQUIRE(keep(open, made));
    return made;
}

vault::SignedCheckpoint checkpoint(const path& file) {
    OpenStore open = open_store(file, root_key());
    return checkpoint(open);
}

Salvaged salvage(const path& file) {
    auto opened = Salvage::open(file);
    if (!opened) FAIL(opened.error().message);
    return (*opened)->take();
}

bool set_is_whole(const path& file) {
    const Salvaged salvaged = salvage(file);
    REQUIRE(salvaged.checkpoint);
    return salvaged.set == salvaged.checkpoint->checkpoint.escrow_set;
}

std::uint64_t images_in(const path& file) {
    sqlite3* handle = nullptr;
    REQUIRE(sqlite3_open(file.c_str(), &handle) == SQLITE_OK);
    return Connection{handle}.number("SELECT count(*) FROM images").value();
}

bool all_signed(const path& file) {
    return Store::open(file, root_key()).value()->take_contents().all_signed;
}

std::optional<Bytes> escrow_of(const path& file, std::uint64_t token) {
    auto opened = Salvage::open(file);
    REQUIRE(opened);
    return (*opened)->escrow(id_of('t', token)).value();
}

const SalvagedToken& token_named(const Salvaged& salvaged, std::string_view name) {
    const auto found = std::ranges::find_if(
        salvaged.tokens, [&](const SalvagedToken& token) { return token.token.then.name.text() == name; });
    REQUIRE(found != salvaged.tokens.end());
    return *found;
}

// What a commit may do to the sample's records.
void change_everything(OpenStore& open) {
    vault::Account owned = deploy();
    owned.owners = {"user:alice"};
    REQUIRE(open.commit(put(owned)));
    vault::Token revoked = token_of(2, deploy(), "ci");
    revoked.revoked = true;
    REQUIRE(open.commit(put(revoked), true));
    REQUIRE(open.commit(erase(token_of(3, deploy(), "release")), true));
    REQUIRE(open.commit(put(token_of(4, deploy(), "idle"))));
    REQUIRE(open.commit(put_with_escrow(token_of(5, deploy(), "new"), kEscrow)));
}

}  // namespace

TEST_CASE("A vault without a recipient signs its trail, and keeps no images") {
    const TemporaryFolder folder;
    const path file = sample_store(folder);
    OpenStore open = open_store(file, root_key());
    const auto first = checkpoint(open);
    CHECK(first.checkpoint.sequence == 1);
    CHECK(first.checkpoint.audit_head == open.trail.head());
    CHECK(first.checkpoint.escrow_set == crypto::Digest{});
    REQUIRE(open.commit(put(token_of(9, deploy(), "later"))));
    CHECK(sign(*open.store).checkpoint.sequence == 2);
    const auto third = sign(*open.store);  // the second was lost
    CHECK(third.checkpoint.sequence == 3);
    CHECK(third.checkpoint.previous == crypto::sha256(vault::checkpoint_message(first.checkpoint)));
    REQUIRE(keep(open, third));
    open.store.reset();
    CHECK(salvage(file).checkpoint == third);
    CHECK(read_all(file, root_key()));
    CHECK(images_in(file) == 0);
}

TEST_CASE("A store of version 1 is taken up, and its MACs stay good") {
    const TemporaryFolder folder;
    const path file = sample_store(folder);
    const auto before = read_all(file, root_key());
    edit_raw(file, "ALTER TABLE head DROP COLUMN audit_first; ALTER TABLE head DROP COLUMN audit_written;"
                   "ALTER TABLE head DROP COLUMN recipient; ALTER TABLE head DROP COLUMN checkpoint;"
                   "ALTER TABLE head DROP COLUMN counter; ALTER TABLE head DROP COLUMN unprotected;"
                   "ALTER TABLE records DROP COLUMN escrow; DROP TABLE images; DROP TABLE uses; PRAGMA user_version = 1");
    const auto refused = Salvage::open(file);
    REQUIRE_FALSE(refused);
    CHECK(refused.error().code == ErrorCode::kInvalidArgument);
    const auto after = read_all(file, root_key());
    REQUIRE(after);
    CHECK(*after == *before);
}

TEST_CASE("A recipient or a checkpoint that was changed in the file is found") {
    const TemporaryFolder folder;
    const path file = sample_signed_store(folder);
    checkpoint(file);
    const path edited = folder.get() / "edited.db";
    for (const std::string sql :
         {"UPDATE head SET recipient = zeroblob(32)", "UPDATE head SET recipient = x''", "UPDATE head SET recipient = x'00'",
          "UPDATE head SET checkpoint = x''", "UPDATE head SET checkpoint = zeroblob(100)",
          "UPDATE head SET recipient = x'', checkpoint = x''", "UPDATE records SET escrow = x'00' WHERE row = 2",
          "UPDATE records SET escrow = NULL WHERE row = 2", "UPDATE records SET escrow = x'00' WHERE row = 4",
          "UPDATE records SET escrow = content WHERE row = 3", "UPDATE records SET content = escrow, escrow = NULL WHERE row = 3"}) {
        copy_store(file, edited);
        edit_raw(edited, sql);
        INFO(sql);
        CHECK(read_all(edited, root_key()).error().code == ErrorCode::kStoreTampered);
    }
    CHECK(read_all(file, root_key()));
}

TEST_CASE("An escrow stays with its string, and goes with it") {
    const TemporaryFolder folder;
    const path file = sample_signed_store(folder);
    OpenStore open = open_store(file, root_key());
    vault::Token token = token_of(2, deploy(), "ci");
    std::optional<Bytes> expected;
    SECTION("stays when something else of the token changes") {
        token.description = "another";
        expected = kEscrow;
    }
    SECTION("goes when it is revoked") { token.revoked = true; }
    SECTION("goes when a new generation begins, also with an overlap") {
        vault::Generation next = token.current();
        next.number = 2;
        next.id.fill('N');
        token.generations.push_back(next);
    }
    REQUIRE(open.commit(put(token), true));
    checkpoint(open);
    open.store.reset();
    CHECK(escrow_of(file, 2) == expected);
    CHECK(escrow_of(file, 3) == kEscrow);
    CHECK(read_all(file, root_key()));
}

TEST_CASE("What is signed is what the file has, and the checkpoints are a chain") {
    const TemporaryFolder folder;
    const path file = sample_signed_store(folder);
    OpenStore open = open_store(file, root_key());
    CHECK_FALSE(salvage(sample_signed_store(TemporaryFolder{})).checkpoint);
    const auto first = checkpoint(open);
    CHECK(first.checkpoint.sequence == 1);
    CHECK(first.checkpoint.previous == crypto::Digest{});
    CHECK(first.checkpoint.audit_head == open.trail.head());
    change_everything(open);
    const auto second = checkpoint(open);
    CHECK(second.checkpoint.sequence == 2);
    CHECK(second.checkpoint.epoch == 2);
    CHECK(second.checkpoint.previous == crypto::sha256(vault::checkpoint_message(first.checkpoint)));
    CHECK(second.checkpoint.escrow_set != first.checkpoint.escrow_set);
    open.store.reset();
    const Salvaged salvaged = salvage(file);
    CHECK(salvaged.checkpoint == second);
    CHECK(salvaged.set == second.checkpoint.escrow_set);
    CHECK(salvaged.tokens.size() == 3);
    CHECK(salvaged.later.empty());
}

TEST_CASE("Whatever changes after a checkpoint, the set that it signs can be computed, and the changes be told") {
    const TemporaryFolder folder;
    const path file = sample_signed_store(folder);
    OpenStore open = open_store(file, root_key());
    checkpoint(open);
    change_everything(open);
    if (GENERATE(false, true)) {
        open.store.reset();
        open = open_store(file, root_key());
    }
    vault::Token again = token_of(4, deploy(), "idle");
    again.description = "once more";
    REQUIRE(open.commit(put(again)));
    open.store.reset();
    CHECK(set_is_whole(file));

    const Salvaged salvaged = salvage(file);
    CHECK(salvaged.later == std::vector<std::string>{"app:deploy/new"});
    REQUIRE(salvaged.tokens.size() == 3);
    const SalvagedToken& ci = token_named(salvaged, "ci");
    CHECK_FALSE(ci.token.then.revoked);
    CHECK(ci.token.now->revoked);
    CHECK(ci.had_escrow);
    CHECK_FALSE(token_named(salvaged, "release").token.now);
    CHECK(token_named(salvaged, "idle").token.then == token_of(4, deploy(), "idle"));
    CHECK(token_named(salvaged, "idle").token.now == again);
    REQUIRE(salvaged.accounts.size() == 1);
    CHECK(salvaged.accounts.front().then.owners.empty());
    CHECK(salvaged.accounts.front().now->owners == std::vector<std::string>{"user:alice"});
    CHECK_FALSE(escrow_of(file, 2));
    CHECK_FALSE(escrow_of(file, 3));
    CHECK_FALSE(escrow_of(file, 5));
}

TEST_CASE("A commit that fails leaves no image behind") {
    const TemporaryFolder folder;
    const path file = sample_signed_store(folder);
    OpenStore open = open_store(file, root_key());
    checkpoint(open);
    vault::Change bad = put_with_escrow(token_of(2, deploy(), "ci"), Bytes{1});
    bad.tokens.push_back({token_of(9, deploy(), "never"), true, std::nullopt});
    REQUIRE_FALSE(open.commit(std::move(bad)));
    REQUIRE(open.commit(put_with_escrow(token_of(2, deploy(), "ci"), Bytes{2})));
    open.store.reset();
    CHECK(set_is_whole(file));
}

TEST_CASE("A checkpoint that was asked for and never kept, and a crash, leave the one before it whole") {
    const TemporaryFolder folder;
    const path file = sample_signed_store(folder);
    OpenStore open = open_store(file, root_key());
    const auto kept = checkpoint(open);
    const auto set_description = [&](std::uint64_t number, const std::string& text) {
        vault::Token token = token_of(number, deploy(), number == 2 ? "ci" : "release");
        token.description = text;
        REQUIRE(open.commit(put(token)));
    };
    set_description(2, "after the first");
    const auto lost = sign(*open.store);
    set_description(2, "after the second was asked for");
    set_description(3, "after the second was asked for");
    open.store.reset();
    CHECK(set_is_whole(file));

    CHECK_FALSE(all_signed(file));
    open = open_store(file, root_key());
    set_description(3, "after the crash");
    CHECK_FALSE(keep(open, lost));
    open.store.reset();
    CHECK(set_is_whole(file));
    CHECK(salvage(file).checkpoint == kept);

    open = open_store(file, root_key());
    const auto next = sign(*open.store);
    set_description(2, "while it was signed");
    REQUIRE(keep(open, next));
    open.store.reset();
    CHECK(set_is_whole(file));
    CHECK(salvage(file).checkpoint == next);
    CHECK_FALSE(all_signed(file));
    open = open_store(file, root_key());
    checkpoint(open);
    open.store.reset();
    CHECK(set_is_whole(file));
    CHECK(all_signed(file));
}

TEST_CASE("The sequence can be made to jump over what the device has signed before") {
    const TemporaryFolder folder;
    const path file = sample_signed_store(folder);
    OpenStore open = open_store(file, root_key());
    const auto made = sign(*open.store, 700);
    CHECK(made.checkpoint.sequence == 700);
    REQUIRE(keep(open, made));
    CHECK(checkpoint(open).checkpoint.sequence == 701);
    open.store.reset();
    CHECK(set_is_whole(file));
}

TEST_CASE("Records that somebody else wrote are not the signed set") {
    const TemporaryFolder folder;
    const path file = sample_signed_store(folder);
    {
        OpenStore open = open_store(file, root_key());
        checkpoint(open);
        vault::Token token = token_of(4, deploy(), "idle");
        token.description = "changed since";
        REQUIRE(open.commit(put(token)));
    }
    const path edited = folder.get() / "edited.db";
    for (const std::string sql :
         {"UPDATE records SET escrow = x'00' WHERE row = 2", "UPDATE records SET escrow = NULL WHERE row = 2",
          "UPDATE records SET version = 7 WHERE row = 2", "DELETE FROM records WHERE row = 3", "DELETE FROM images",
          "UPDATE records SET body = (SELECT body FROM records WHERE row = 3) WHERE row = 2",
          "INSERT INTO records SELECT 9, kind, zeroblob(16), version, body, content, mac, escrow FROM records WHERE row = 2",
          "UPDATE images SET round = 1", "UPDATE images SET image = NULL", "UPDATE images SET id = zeroblob(16)",
          "UPDATE head SET prefix = 'abc_'", "UPDATE head SET vault = zeroblob(16)", "UPDATE head SET recipient = zeroblob(32)"}) {
        copy_store(file, edited);
        edit_raw(edited, sql);
        INFO(sql);
        const auto opened = Salvage::open(edited);
        if (!opened) {
            CHECK(opened.error().code == ErrorCode::kStoreTampered);
            continue;
        }
        const Salvaged salvaged = (*opened)->take();
        CHECK(salvaged.set != salvaged.checkpoint->checkpoint.escrow_set);
    }
    CHECK(set_is_whole(file));
}

TEST_CASE("A record that says it is newer than the signature is told apart from those that were signed") {
    const TemporaryFolder folder;
    const path file = sample_signed_store(folder);
    checkpoint(file);
    edit_raw(file, "INSERT INTO records SELECT 9, kind, zeroblob(16), version, body, content, mac, escrow FROM records"
                   " WHERE row = 2; INSERT INTO images VALUES (1, 2, zeroblob(16), NULL)");
    CHECK(set_is_whole(file));
    const Salvaged salvaged = salvage(file);
    CHECK(salvaged.tokens.size() == 3);
    CHECK(salvaged.later == std::vector<std::string>{"app:deploy/ci"});
}

TEST_CASE("Reading a store for recovery changes nothing of it") {
    const TemporaryFolder folder;
    const path file = sample_signed_store(folder);
    OpenStore open = open_store(file, root_key());
    checkpoint(open);
    change_everything(open);
    const path copy = folder.get() / "copy.db";
    copy_store(file, copy);
    const Bytes before = file_bytes(copy);
    const Bytes wal_before = file_bytes(wal_of(copy));
    REQUIRE_FALSE(wal_before.empty());
    CHECK(set_is_whole(copy));
    CHECK(file_bytes(copy) == before);
    CHECK(file_bytes(wal_of(copy)) == wal_before);
}

TEST_CASE("A recipient is changed with all escrows in one commit, and ending recovery takes checkpoint and images") {
    const TemporaryFolder folder;
    const path file = sample_signed_store(folder);
    OpenStore open = open_store(file, root_key());
    checkpoint(open);
    change_everything(open);
    Batch batch;
    batch.epoch = open.epoch;
    batch.time_mark = open.time;
    SECTION("to another") {
        batch.changes.push_back(put_with_escrow(token_of(5, deploy(), "new"), Bytes{9}));
        REQUIRE(open.store->set_recipient(crypto::sha256(bytes_of("another")), batch));
        open.store.reset();
        CHECK(Store::open(file, root_key()).value()->take_contents().recipient == crypto::sha256(bytes_of("another")));
        checkpoint(file);
        CHECK(set_is_whole(file));
        CHECK(escrow_of(file, 5) == Bytes{9});
    }
    SECTION("to none") {
        batch.changes.push_back(put_with_escrow(token_of(5, deploy(), "new"), Bytes{}));
        REQUIRE(open.store->set_recipient(std::nullopt, batch));
        open.store.reset();
        CHECK_FALSE(salvage(file).checkpoint);
        const auto of_nobody = checkpoint(file);
        CHECK(of_nobody.checkpoint.escrow_set == crypto::Digest{});
        open = open_store(file, root_key());
        batch.changes.clear();
        REQUIRE(open.store->set_recipient(crypto::sha256(bytes_of("another")), batch));
        open.store.reset();
        CHECK_FALSE(salvage(file).checkpoint);
        checkpoint(file);
        CHECK(set_is_whole(file));
    }
}
