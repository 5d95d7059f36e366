// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Looking up: which strings the vault knows, until when they are active, and what is told about them.
#include <string>
#include <vector>

#include "tests/catch.h"
#include "tests/vault/world.h"

namespace hwvault::vault {
namespace {

SecretBytes edited(const SecretBytes& text, std::size_t at) {
    SecretBytes copy = SecretBytes::copy_of(text.reveal());
    std::uint8_t& byte = copy.reveal_to_fill()[at];
    byte = byte == 'a' ? 'b' : 'a';
    return copy;
}

TEST_CASE("A string that was handed out is active, and one that was not is unknown") {
    World world;
    const Target target = world.target("user:alice", "deploy");
    world.create(target).value();
    // Nobody has the string before its hash is on record, so no verifier needs it.
    const SecretBytes early = world.derive_text(world.token(target), world.token(target).current());
    CHECK_FALSE(world.vault.recognise(early.reveal()));
    const auto text = world.retrieve(target);
    REQUIRE(text);
    CHECK(text_of(text->reveal()) == text_of(early.reveal()));
    const auto found = world.vault.verify(text->reveal(), world.now);
    REQUIRE(found);
    CHECK(found->account->name.text() == "user:alice");
    CHECK(found->token.name() == "deploy");
    CHECK(found->generation == 1);
}

TEST_CASE("Retrieving twice gives the same string and writes once") {
    World world;
    const Target target = world.target("user:alice");
    world.create(target).value();
    const auto first = world.retrieve(target);
    const auto second = world.retrieve(target);
    CHECK(text_of(first->reveal()) == text_of(second->reveal()));
    const Generation current = world.token(target).current();
    CHECK(word_of(record_hash(world.vault, target, {current.id, *current.hash, {}})) == "Unchanged");
}

TEST_CASE("A string with any character changed is not active") {
    World world;
    const Target target = world.target("user:alice");
    world.create(target).value();
    const auto text = world.retrieve(target);
    for (std::size_t i = 0; i < text->size(); ++i) {
        INFO("character " << i);
        CHECK_FALSE(world.vault.recognise(edited(*text, i).reveal()));
    }
    CHECK_FALSE(world.vault.recognise(text->reveal().first(text->size() - 1)));
    CHECK_FALSE(world.vault.recognise({}));
    CHECK_FALSE(world.vault.recognise(bytes_of("hwv_")));
}

TEST_CASE("A well-formed string with a known id and another secret is not active") {
    World world;
    const Target target = world.target("user:alice");
    world.create(target).value();
    world.retrieve(target).value();
    const SecretBytes forged =
        crypto::make_token_text("hwv_", world.token(target).current().id, SecretBytes(32));
    REQUIRE(crypto::prove_token_text("hwv_", forged.reveal()));
    CHECK_FALSE(world.vault.recognise(forged.reveal()));
}

TEST_CASE("A string of another prefix is not active") {
    World world;
    const Target target = world.target("user:alice");
    world.create(target).value();
    world.retrieve(target).value();
    const Token token = world.token(target);
    const crypto::Digest secret{};
    const SecretBytes other = crypto::make_token_text("abc_", token.current().id, SecretBytes::copy_of(secret));
    CHECK_FALSE(world.vault.recognise(other.reveal()));
}

TEST_CASE("A string expires at its second") {
    World world;
    const Target target = world.target("user:alice", "deploy");
    CreateOptions options;
    options.expires_in = 60;
    world.create(target, options).value();
    const auto text = world.retrieve(target);
    CHECK(world.vault.verify(text->reveal(), world.now + 59));
    CHECK_FALSE(world.vault.verify(text->reveal(), world.now + 60));
    // Known all the same: whoever finds it may revoke it.
    CHECK(world.vault.recognise(text->reveal()));
    CHECK(word_of_failure(retrievable(world.vault, target, world.now + 59)) == "done");
    CHECK(word_of_failure(retrievable(world.vault, target, world.now + 60)) == "Expired");
}

TEST_CASE("Retrieval names what is missing") {
    World world;
    CHECK(word_of_failure(retrievable(world.vault, world.target("user:alice"), world.now)) == "NotFound");
}

TEST_CASE("A hash is recorded once, for the current generation, and never another") {
    World world;
    const Target target = world.target("user:alice", "deploy");
    const crypto::Digest hash = crypto::sha256(bytes_of("one"));
    const crypto::Digest other = crypto::sha256(bytes_of("two"));
    const auto record = [&](const crypto::TokenId& id, const crypto::Digest& value) {
        return record_hash(world.vault, target, {id, value, {}});
    };
    CHECK(word_of(record({}, hash)) == "NotFound");
    world.create(target).value();
    const crypto::TokenId first = world.token(target).current().id;
    CHECK(word_of(record({}, hash)) == "Busy");
    CHECK(word_of(world.make(record(first, hash))) == "Grants");
    CHECK(word_of(record(first, hash)) == "Unchanged");
    const auto another_device = record(first, other);
    CHECK(word_of(another_device) == "Internal");
    CHECK(another_device.error().message.find("device") != std::string::npos);

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
    CHECK(change_in(*plan)->tokens.front().escrow == Bytes{1, 2, 3});
    CHECK_FALSE(change_in(*plan)->event);
    CHECK_FALSE(change_in(*plan)->notice);
    expected.generations.back().hash = crypto::sha256(bytes_of("one"));
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

TEST_CASE("A vault that is loaded again knows the same strings") {
    World world;
    const Target target = world.target("user:alice", "deploy");
    world.create(target).value();
    const auto old = world.retrieve(target);
    world.rotate(target, 0, 3600).value();
    const auto current = world.retrieve(target);
    Vault again(world.vault.id(), world.vault.prefix(), {});
    again.load(*world.vault.find(target.account));
    again.load(world.token(target));
    CHECK(again.verify(old->reveal(), world.now));
    CHECK(again.verify(current->reveal(), world.now));
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
