// SPDX-License-Identifier: LGPL-2.1-or-later
#include <algorithm>

#include <sys/stat.h>

#include "tests/store/fixture.h"

using namespace hwvault;
using namespace hwvault::store;
using namespace hwvault::store::testing;

namespace {

ErrorCode code_of(const auto& result) {
    REQUIRE_FALSE(result);
    return result.error().code;
}

Batch empty_batch(const OpenStore& open) {
    Batch batch;
    batch.epoch = open.epoch;
    batch.time_mark = open.time;
    return batch;
}

}  // namespace

TEST_CASE("A store that was made elsewhere takes its place once, and none that is there") {
    const TemporaryFolder folder;
    const path made = sample_store(folder);
    const path place = folder.get() / "place.db";
    write_bytes(wal_of(place), {});
    CHECK(Store::move_into_place(made, place).error().code == ErrorCode::kAlreadyExists);
    std::filesystem::remove(wal_of(place));
    write_bytes(place, Bytes{1});
    CHECK(Store::move_into_place(made, place).error().code == ErrorCode::kAlreadyExists);
    CHECK(file_bytes(place) == Bytes{1});
    std::filesystem::remove(place);
    write_bytes(wal_of(made), Bytes{1});
    CHECK(Store::move_into_place(made, place).error().code == ErrorCode::kInternal);
    std::filesystem::remove(wal_of(made));
    REQUIRE(Store::move_into_place(made, place));
    CHECK_FALSE(std::filesystem::exists(made));
    CHECK(read_all(place, root_key()));
}

TEST_CASE("A new store is empty, and its header can be read before its keys are known") {
    const TemporaryFolder folder;
    const path file = new_store(folder);
    const auto header = Store::read_header(file);
    REQUIRE(header);
    CHECK(header->vault == id_of('v', 1));
    CHECK(header->prefix == "hwv_");
    const auto all = read_all(file, root_key());
    REQUIRE(all);
    CHECK(all->accounts.empty());
    CHECK(all->tokens.empty());
    CHECK(all->epoch == 0);
    CHECK(all->device_target == 40);
}

TEST_CASE("The store's files can be read by their owner alone, from the first moment") {
    const TemporaryFolder folder;
    const mode_t mask = ::umask(0);
    const path file = new_store(folder);
    OpenStore open = open_store(file, root_key());
    REQUIRE(open.commit(put(account_of(1, "user:alice"))));
    ::umask(mask);
    for (const path& each : {file, wal_of(file)}) {
        struct stat status {};
        REQUIRE(::stat(each.c_str(), &status) == 0);
        CHECK((status.st_mode & 07777) == 0600);
    }
    CHECK_FALSE(std::filesystem::exists(file.string() + ".new"));
}

TEST_CASE("A store is not made over another one, or over what one left behind") {
    const TemporaryFolder folder;
    const path file = sample_store(folder);
    const Bytes before = file_bytes(file);
    const Header header{.vault = id_of('v', 9), .prefix = "hwv_"};
    CHECK(code_of(Store::create(file, header, root_key(), {0, {}})) == ErrorCode::kAlreadyExists);
    CHECK(file_bytes(file) == before);

    const path next = folder.get() / "next.db";
    write_bytes(wal_of(next), before);
    CHECK(code_of(Store::create(next, header, root_key(), {0, {}})) == ErrorCode::kAlreadyExists);
}

TEST_CASE("A store that was left half made is made anew") {
    const TemporaryFolder folder;
    write_bytes(folder.get() / "store.db.new", Bytes(100, 1));
    write_bytes(folder.get() / "store.db.new-wal", Bytes(100, 1));
    CHECK(read_all(new_store(folder), root_key()));
}

TEST_CASE("A prefix outside the grammar makes no store") {
    const TemporaryFolder folder;
    const Header header{.vault = id_of('v', 1), .prefix = "no"};
    CHECK(code_of(Store::create(folder.get() / "s", header, root_key(), {0, {}})) == ErrorCode::kInvalidArgument);
    CHECK(std::filesystem::is_empty(folder.get()));
}

TEST_CASE("Where there is no store, nothing is made") {
    const TemporaryFolder folder;
    CHECK(code_of(Store::open(folder.get() / "s", root_key())) == ErrorCode::kNotFound);
    CHECK(code_of(Store::read_header(folder.get() / "s")) == ErrorCode::kNotFound);
    CHECK(std::filesystem::is_empty(folder.get()));
}

TEST_CASE("What was committed is there when the store is opened again") {
    const TemporaryFolder folder;
    const path file = sample_store(folder);
    const auto all = read_all(file, root_key());
    REQUIRE(all);
    REQUIRE(all->accounts.size() == 2);
    CHECK(all->accounts[0] == account_of(1, "user:alice"));
    REQUIRE(all->tokens.size() == 4);
    CHECK(all->tokens[1] == token_of(2, all->accounts[1], "ci"));
    CHECK(all->tokens[2].revoked);
    CHECK(all->contents.at(id_of('t', 4)) == Bytes(3'000, 0x5a));
    CHECK(all->contents.size() == 1);
    CHECK(all->events.size() == 5);
    CHECK(all->epoch == 1);
    CHECK(all->device_target == 41);
    CHECK(all->time_mark == 5);
}

TEST_CASE("A closed store is one file, without a -wal") {
    const TemporaryFolder folder;
    const path file = sample_store(folder);
    CHECK_FALSE(std::filesystem::exists(wal_of(file)));
    CHECK_FALSE(std::filesystem::exists(file.string() + "-shm"));
}

TEST_CASE("Content stays when a record is written without it, goes when it is empty, and is replaced by another") {
    const TemporaryFolder folder;
    const path file = sample_store(folder);
    OpenStore open = open_store(file, root_key());
    vault::Token stripe = imported_token_of(4, account_of(2, "app:deploy"), "stripe");
    stripe.scopes = {"read"};
    REQUIRE(open.commit(put(stripe)));
    auto content = open.store->read_content(stripe.id);
    REQUIRE(content);
    CHECK(*content == Bytes(3'000, 0x5a));
    REQUIRE(open.commit(put(stripe, Bytes(1'000, 0x11)), true));
    content = open.store->read_content(stripe.id);
    REQUIRE(content);
    CHECK(*content == Bytes(1'000, 0x11));
    REQUIRE(open.commit(put(stripe, Bytes{}), true));
    content = open.store->read_content(stripe.id);
    REQUIRE(content);
    CHECK_FALSE(*content);
    open.store.reset();
    const auto all = read_all(file, root_key());
    REQUIRE(all);
    CHECK(all->contents.empty());
}

TEST_CASE("A content of the largest size comes back") {
    const TemporaryFolder folder;
    const path file = sample_store(folder);
    OpenStore open = open_store(file, root_key());
    const Bytes largest((1 << 20) + 16, 0x33);
    REQUIRE(open.commit(put(imported_token_of(9, account_of(2, "app:deploy"), "largest"), largest)));
    const auto content = open.store->read_content(id_of('t', 9));
    REQUIRE(content);
    CHECK(*content == largest);
}

TEST_CASE("What is dropped cannot be found in the file afterwards") {
    const TemporaryFolder folder;
    const path file = sample_store(folder);
    const Bytes needle(64, 0x5a);
    const auto holds_needle = [&] {
        const Bytes bytes = file_bytes(file);
        return std::search(bytes.begin(), bytes.end(), needle.begin(), needle.end()) != bytes.end();
    };
    REQUIRE(holds_needle());
    OpenStore open = open_store(file, root_key());
    REQUIRE(open.commit(put(imported_token_of(4, account_of(2, "app:deploy"), "stripe"), Bytes{}), true));
    open.store.reset();
    CHECK_FALSE(holds_needle());
}

TEST_CASE("A generation that is written without its nonce keeps the one it has, and one that has none is refused") {
    const TemporaryFolder folder;
    const path file = sample_store(folder);
    OpenStore open = open_store(file, root_key());
    const auto alice = account_of(1, "user:alice");
    const vault::Token before = open.store->read_token(id_of('t', 1)).value().value();
    CHECK(before == token_of(1, alice, "default"));

    vault::Token after = before;
    after.description = "another";
    after.generations.back().nonce.reset();
    after.generations.push_back(before.current());
    after.generations.back().id.fill('n');
    after.generations.back().nonce.emplace().fill(0x77);
    REQUIRE(open.commit(put(after)));
    after.generations.front().nonce = before.current().nonce;
    CHECK(open.store->read_token(before.id).value() == after);

    vault::Token without = after;
    without.generations.push_back(without.current());
    without.generations.back().id.fill('x');
    without.generations.back().nonce.reset();
    CHECK(code_of(open.commit(put(without))) == ErrorCode::kInternal);
    CHECK(open.store->read_token(before.id).value() == after);
    CHECK_FALSE(open.store->read_token(id_of('t', 99)).value());
    CHECK_FALSE(open.store->read_token(alice.id).value());
    open.store.reset();
    CHECK(open_store(file, root_key()).store->read_token(before.id).value() == after);
}

TEST_CASE("An erased record is gone, and a token can be written and erased in one batch") {
    const TemporaryFolder folder;
    const path file = sample_store(folder);
    const auto deploy = account_of(2, "app:deploy");
    OpenStore open = open_store(file, root_key());
    REQUIRE(open.commit(erase(token_of(2, deploy, "ci")), true));
    Batch batch = empty_batch(open);
    batch.changes = {put(token_of(7, deploy, "brief")), put(token_of(8, deploy, "kept")),
                     erase(token_of(7, deploy, "brief")), put(token_of(8, deploy, "kept-twice"))};
    REQUIRE(open.store->commit(batch));
    open.store.reset();
    const auto all = read_all(file, root_key());
    REQUIRE(all);
    REQUIRE(all->tokens.size() == 4);
    CHECK(all->tokens.back().name.text() == "kept-twice");
}

TEST_CASE("A batch that fails in its middle changes nothing, and the store goes on") {
    const TemporaryFolder folder;
    const path file = sample_store(folder);
    const auto deploy = account_of(2, "app:deploy");
    OpenStore open = open_store(file, root_key());
    Batch batch = empty_batch(open);
    batch.changes = {put(token_of(7, deploy, "seven")), erase(token_of(1, deploy, "default")),
                     erase(token_of(99, deploy, "never-there"))};
    CHECK(code_of(open.store->commit(batch)) == ErrorCode::kInternal);
    batch.changes = {put(token_of(8, deploy, "eight"))};
    REQUIRE(open.store->commit(batch));
    open.store.reset();
    const auto all = read_all(file, root_key());
    REQUIRE(all);
    CHECK(all->tokens.size() == 5);
    CHECK(all->tokens.front().id == id_of('t', 1));
    CHECK(all->tokens.back().id == id_of('t', 8));
}

TEST_CASE("A record that could not be loaded again is not written") {
    const TemporaryFolder folder;
    const path file = sample_store(folder);
    OpenStore open = open_store(file, root_key());
    vault::Token token = token_of(7, account_of(2, "app:deploy"), "seven");
    token.scopes.assign(vault::kMaxScopes + 1, "read");
    CHECK(code_of(open.commit(put(token))) == ErrorCode::kInternal);
    vault::Account account = account_of(7, "app:seven");
    account.owners.assign(vault::kMaxOwners + 1, "user:alice");
    CHECK(code_of(open.commit(put(account))) == ErrorCode::kInternal);
    open.store.reset();
    CHECK(read_all(file, root_key()));
}

TEST_CASE("An epoch, a time mark or an audit event that goes back is refused") {
    const TemporaryFolder folder;
    const path file = sample_store(folder);
    OpenStore open = open_store(file, root_key());
    Batch batch = empty_batch(open);
    --batch.epoch;
    CHECK(code_of(open.store->commit(batch)) == ErrorCode::kInternal);
    batch = empty_batch(open);
    --batch.time_mark;
    CHECK(code_of(open.store->commit(batch)) == ErrorCode::kInternal);
    batch = empty_batch(open);
    audit::Trail other;
    batch.events = {other.append(vault::Event{})};
    CHECK(code_of(open.store->commit(batch)) == ErrorCode::kInternal);
    CHECK(open.store->commit(empty_batch(open)));
}

TEST_CASE("Rebasing sets what the device's counter must be, and an older copy stays an older one") {
    const TemporaryFolder folder;
    const path file = sample_store(folder);
    const path older = folder.get() / "older.db";
    copy_store(file, older);
    OpenStore open = open_store(file, root_key());
    Batch batch = empty_batch(open);
    CHECK(code_of(open.store->rebase({100, {}}, batch)) == ErrorCode::kInternal);  // not in an epoch of before
    ++batch.epoch;
    REQUIRE(open.store->rebase({100, {}}, batch));
    open.epoch = batch.epoch;
    REQUIRE(open.commit(put(account_of(9, "user:bob")), true));
    open.store.reset();
    const auto now = read_all(file, root_key());
    REQUIRE(now);
    CHECK(now->epoch == 3);
    CHECK(now->device_target == 102);
    const auto then = read_all(older, root_key());
    REQUIRE(then);
    CHECK(then->device_target < now->device_target);
}

TEST_CASE("A store that is open is refused to everybody else, until it is closed") {
    const TemporaryFolder folder;
    const path file = sample_store(folder);
    OpenStore open = open_store(file, root_key());
    const auto second = Store::open(file, root_key());
    REQUIRE(code_of(second) == ErrorCode::kBusy);
    CHECK(second.error().message.find("Another hwvaultd has") == 0);
    CHECK(code_of(Store::read_header(file)) == ErrorCode::kBusy);
    CHECK(open.commit(put(account_of(9, "user:bob"))));
    open.store.reset();
    CHECK(Store::open(file, root_key()));
}

TEST_CASE("Events are visited oldest first, until the visitor has had enough") {
    const TemporaryFolder folder;
    const path file = sample_store(folder);
    OpenStore open = open_store(file, root_key());
    std::vector<std::uint64_t> seen;
    REQUIRE(open.store->visit_events(0, [&](const vault::EventLink& link) {
        seen.push_back(link.sequence);
        return seen.size() < 3;
    }));
    CHECK(seen == std::vector<std::uint64_t>{1, 2, 3});
    CHECK(open.commit(put(account_of(9, "user:bob"))));
}

TEST_CASE("The context of the store's key tells vaults and prefixes apart") {
    const Header header{.vault = id_of('v', 1), .prefix = "hwv_"};
    CHECK(store_context(header) == store_context(header));
    CHECK(store_context(header) != store_context({.vault = id_of('v', 2), .prefix = "hwv_"}));
    CHECK(store_context(header) != store_context({.vault = id_of('v', 1), .prefix = "abc_"}));
}
