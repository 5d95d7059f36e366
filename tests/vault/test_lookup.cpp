// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Looking up: which strings are good, until when, and what is told about them.
#include <string>
#include <vector>

#include "tests/catch.h"
#include "tests/vault/world.h"

namespace hwvault::vault {
namespace {

TEST_CASE("A string that was handed out is active, and one that was not is unknown") {
    World world;
    const Target target = world.target("user:alice", "deploy");
    world.create(target).value();
    // Nobody has the string before its hash is on record, so no verifier needs it.
    const SecretBytes early = world.derive_text(world.token(target), world.token(target).current());
    CHECK_FALSE(world.token(target).current().given);
    CHECK_FALSE(world.is_active(early));
    const auto text = world.retrieve(target);
    REQUIRE(text);
    CHECK(text_of(text->reveal()) == text_of(early.reveal()));
    CHECK(world.token(target).current().given);
    CHECK(world.is_active(*text));
}

TEST_CASE("Retrieving twice gives the same string, and what is on record stays") {
    World world;
    const Target target = world.target("user:alice");
    world.create(target).value();
    const auto first = world.retrieve(target);
    const auto second = world.retrieve(target);
    CHECK(text_of(first->reveal()) == text_of(second->reveal()));
    const Generation current = world.token(target).current();
    CHECK(word_of(record_hash(world.vault, target, {current.id, world.hashes.at(current.id), {}})) == "Unchanged");
}

TEST_CASE("A string expires at its second") {
    World world;
    const Target target = world.target("user:alice", "deploy");
    CreateOptions options;
    options.expires_in = 60;
    world.create(target, options).value();
    const auto text = world.retrieve(target);
    CHECK(world.is_active(*text, world.now + 59));
    CHECK_FALSE(world.is_active(*text, world.now + 60));
    // On record all the same: whoever finds it may revoke it.
    CHECK(world.token(target).current().given);
    CHECK(word_of_failure(retrievable(world.vault, target, world.now + 59)) == "done");
    CHECK(word_of_failure(retrievable(world.vault, target, world.now + 60)) == "Expired");
}

TEST_CASE("Retrieval names what is missing") {
    World world;
    CHECK(word_of_failure(retrievable(world.vault, world.target("user:alice"), world.now)) == "NotFound");
}

TEST_CASE("What has had as many strings as can be counted is not retrieved") {
    World world;
    const Target target = world.target("user:alice", "deploy");
    world.create(target).value();
    Token token = world.token(target);
    token.generations.back().number = kMaxGeneration;
    world.vault.load(token);
    CHECK(word_of_failure(retrievable(world.vault, target, world.now)) == "done");
    world.rotate(target).value();
    CHECK(word_of_failure(retrievable(world.vault, target, world.now)) == "QuotaExceeded");
}

TEST_CASE("A hash is recorded once, for the current generation, and never another") {
    World world;
    const Target target = world.target("user:alice", "deploy");
    const crypto::Digest hash = crypto::sha256(bytes_of("one"));
    const auto record = [&](const crypto::TokenId& id, const crypto::Digest& value) {
        return record_hash(world.vault, target, {id, value, {}});
    };
    CHECK(word_of(record({}, hash)) == "NotFound");
    world.create(target).value();
    const crypto::TokenId first = world.token(target).current().id;
    CHECK(word_of(record({}, hash)) == "Busy");
    CHECK(word_of(world.make(record(first, hash))) == "Grants");
    CHECK(word_of(record(first, crypto::sha256(bytes_of("two")))) == "Unchanged");

    world.rotate(target).value();
    CHECK(word_of(record(first, hash)) == "Busy");
    world.erase(target).value();
    world.create(target).value();
    CHECK(world.token(target).current().number == 1);
    CHECK(word_of(record(first, hash)) == "Busy");  // the number is the same, the generation is not
    const crypto::TokenId again = world.token(target).current().id;
    world.revoke(target).value();
    CHECK(word_of(record(again, hash)) == "Busy");

    const Target imported = world.target("user:alice", "npm");
    world.import(imported).value();
    CHECK(word_of(record_hash(world.vault, imported, {world.token(imported).current().id, hash, {}})) == "Busy");
}

TEST_CASE("Recording a hash tells nobody and changes nothing else") {
    World world;
    const Target target = world.target("user:alice");
    world.create(target).value();
    Token expected = world.token(target);
    world.now += 5;
    const auto plan = world.make(record_hash(
        world.vault, target, {world.token(target).current().id, crypto::sha256(bytes_of("one")), Bytes{1, 2, 3}}));
    const Change& change = *change_in(*plan);
    CHECK(change.tokens.front().token.current().hash == crypto::sha256(bytes_of("one")));
    CHECK(change.tokens.front().escrow == Bytes{1, 2, 3});
    CHECK_FALSE(change.event);
    CHECK_FALSE(change.notice);
    expected.generations.back().given = true;
    CHECK(world.token(target) == expected);
}

TEST_CASE("Info tells what the contract says, and the brief one no more") {
    World world;
    const Target target = world.target("user:alice", "deploy");
    CreateOptions options;
    options.scopes = {"read"};
    options.description = "deploys";
    options.expires_in = 60;
    world.create(target, options).value();
    const UnixTime created = world.now;
    world.now += 10;
    world.rotate(target).value();
    const Account& account = *world.vault.find(target.account);
    const Token token = world.token(target);

    const Info full = full_info(account, token);
    CHECK(full.account == "user:alice");
    CHECK(full.name == "deploy");
    CHECK(full.id == crypto::id_text(token.current().id));
    CHECK(full.origin == Origin::kIssued);
    CHECK(full.generation == 2);
    CHECK(full.created_at == created);
    CHECK(full.changed_at == world.now);
    CHECK(full.expires_at == world.now + 60);
    CHECK(full.scopes == std::vector<std::string>{"read"});
    CHECK(full.description == "deploys");
    CHECK_FALSE(full.revoked);
    CHECK_FALSE(full.rollback_protected);

    const Info brief = brief_info(account, token, token.current());
    CHECK(brief.id == full.id);
    CHECK(brief.expires_at == full.expires_at);
    CHECK(brief.scopes == full.scopes);
    CHECK(brief.created_at == 0);
    CHECK(brief.changed_at == 0);
    CHECK(brief.description.empty());
}

TEST_CASE("Records are visited in the order of account and name, after a cursor, until told to stop") {
    World world;
    CreateOptions owners;
    owners.owners = {"user:alice"};
    world.create(world.target("user:alice", "b")).value();
    world.create(world.target("user:alice", "a")).value();
    world.create(world.target("app:shop", "z"), owners).value();
    const auto visited = [&](const Vault::Position& cursor, std::size_t limit) {
        std::vector<std::string> seen;
        world.vault.visit_after(cursor, [&](const Account& account, const Token& token) {
            seen.push_back(account.name.text() + "/" + token.name.text());
            return seen.size() < limit;
        });
        return seen;
    };
    CHECK(visited({}, 9) == std::vector<std::string>{"app:shop/z", "user:alice/a", "user:alice/b"});
    CHECK(visited({}, 2) == std::vector<std::string>{"app:shop/z", "user:alice/a"});
    CHECK(visited({"user:alice", "a"}, 9) == std::vector<std::string>{"user:alice/b"});
    CHECK(visited({"app:shop", "zz"}, 9) == std::vector<std::string>{"user:alice/a", "user:alice/b"});
    CHECK(visited({"user:alice", "b"}, 9).empty());
}

TEST_CASE("A vault that is loaded again is the same") {
    World world;
    const Target target = world.target("user:alice", "deploy");
    world.create(target).value();
    world.retrieve(target).value();
    world.rotate(target, 0, 3600).value();
    Vault again(world.vault.id(), world.vault.prefix(), {});
    again.load(*world.vault.find(target.account));
    again.load(world.token(target));
    CHECK(again.find(target.account, target.name) == world.vault.find(target.account, target.name));
    CHECK(again.find(target.account, target.name)->generations.size() == 2);
    CHECK(again.tokens_of(target.account) == 1);
    CHECK(again.account(world.token(target).account) != nullptr);
    CHECK(again.account(Id{}) == nullptr);
}

TEST_CASE("Every verb has its word") {
    CHECK(word(Verb::kRetrieve) == "Retrieve");
    CHECK(word(Verb::kRevokeToken) == "RevokeToken");
    CHECK(word(Verb::kDelete) == "Delete");
    CHECK(word(Verb::kRecover) == "Recover");
}

}  // namespace
}  // namespace hwvault::vault
