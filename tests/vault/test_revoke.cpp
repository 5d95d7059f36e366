// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Revoke: what dies, what takes its place, and that a retry harms nothing.
#include "tests/catch.h"
#include "tests/vault/world.h"

namespace hwvault::vault {
namespace {

TEST_CASE("Revoking default makes its successor in the same change") {
    World world;
    const Target target = world.target("user:alice");
    world.create(target).value();
    const auto old = world.retrieve(target);
    const Generation dead = world.token(target).current();

    const auto plan = world.revoke(target);
    CHECK(word_of(plan) == "Withdraws");
    const Change& change = *change_in(*plan);
    CHECK(change.tokens.size() == 1);
    const Token token = world.token(target);
    CHECK_FALSE(token.revoked);
    CHECK(token.generations.size() == 1);
    CHECK(token.current().number == 2);
    CHECK(token.current().id != dead.id);
    CHECK(world.nonces.at(token.current().id) != world.nonces.at(dead.id));
    CHECK_FALSE(token.current().given);
    // The trail and the watchers hear of what died.
    CHECK(change.event->token_id == crypto::id_text(dead.id));
    CHECK(change.event->generation == 1);
    CHECK(change.notice->event == "revoked");
    CHECK(change.notice->generation == 1);

    CHECK_FALSE(world.is_active(*old));
    const auto successor = world.retrieve(target);
    CHECK(world.is_active(*successor));
    CHECK_FALSE(world.is_active(*old));
}

TEST_CASE("The successor of default has the lifetime of its token, from now on") {
    World world;
    const Target target = world.target("user:alice");
    CreateOptions options;
    options.expires_in = 100;
    world.create(target, options).value();
    world.now += 60;
    world.revoke(target).value();
    CHECK(world.token(target).current().expires_at == world.now + 100);
}

TEST_CASE("Revoking a named token makes no successor") {
    World world;
    const Target target = world.target("user:alice", "deploy");
    world.create(target).value();
    const auto text = world.retrieve(target);
    CHECK(word_of(world.revoke(target)) == "Withdraws");
    CHECK(world.token(target).revoked);
    CHECK(world.token(target).current().number == 1);
    CHECK_FALSE(world.is_active(*text));
    CHECK(word_of_failure(retrievable(world.vault, target, world.now)) == "NotFound");
    CHECK(full_info(*world.vault.find(target.account), world.token(target)).revoked);
}

TEST_CASE("A retried revocation never kills the successor") {
    World world;
    const Target target = world.target("user:alice");
    world.create(target).value();
    world.revoke(target, 1).value();
    const auto successor = world.retrieve(target);
    for (int retry = 0; retry < 3; ++retry) CHECK(word_of(world.revoke(target, 1)) == "Unchanged");
    CHECK(world.is_active(*successor));
    CHECK(world.token(target).current().number == 2);
    CHECK(word_of(world.revoke(target, 2)) == "Withdraws");
    CHECK_FALSE(world.is_active(*successor));
}

TEST_CASE("A retried revocation of a named token is a success without a change") {
    World world;
    const Target target = world.target("user:alice", "deploy");
    world.create(target).value();
    world.revoke(target).value();
    CHECK(word_of(world.revoke(target)) == "Unchanged");
    CHECK(word_of(world.revoke(target, 1)) == "Unchanged");
    world.create(target).value();
    const auto text = world.retrieve(target);
    CHECK(word_of(world.revoke(target, 1)) == "Unchanged");
    CHECK(world.is_active(*text));
}

TEST_CASE("What is not there is not found") {
    World world;
    CHECK(word_of(world.revoke(world.target("user:alice"))) == "NotFound");
    world.create(world.target("user:alice", "deploy")).value();
    CHECK(word_of(world.revoke(world.target("user:alice", "other"))) == "NotFound");
    const auto ahead = world.revoke(world.target("user:alice", "deploy"), 2);
    CHECK(word_of(ahead) == "NotFound");
    CHECK(ahead.error().message.find("generation 2") != std::string::npos);
    CHECK(word_of(world.revoke(world.target("user:alice", "deploy"), ~std::uint64_t{0})) == "NotFound");
}

TEST_CASE("Revoking a named token by its name ends every overlap too") {
    World world;
    const Target target = world.target("user:alice", "deploy");
    world.create(target).value();
    const auto first = world.retrieve(target);
    world.rotate(target, 1, 3600).value();
    const auto second = world.retrieve(target);
    REQUIRE(world.is_active(*first));
    CHECK(word_of(world.revoke(target, 0)) == "Withdraws");
    CHECK_FALSE(world.is_active(*first));
    CHECK_FALSE(world.is_active(*second));
    CHECK(world.token(target).generations.size() == 1);
}

TEST_CASE("Revoking one generation leaves the others of an overlap alone") {
    World world;
    const Target target = world.target("user:alice", "deploy");
    world.create(target).value();
    const auto first = world.retrieve(target);
    world.rotate(target, 1, 3600).value();
    const auto second = world.retrieve(target);
    world.rotate(target, 2, 3600).value();
    const auto third = world.retrieve(target);

    SECTION("an older one") {
        const auto plan = world.revoke(target, 1);
        CHECK(word_of(plan) == "Withdraws");
        CHECK(change_in(*plan)->notice->generation == 1);
        CHECK_FALSE(world.is_active(*first));
        CHECK(world.is_active(*second));
        CHECK(world.is_active(*third));
        CHECK_FALSE(world.token(target).revoked);
        CHECK(word_of(world.revoke(target, 1)) == "Unchanged");
    }
    SECTION("the current one") {
        CHECK(word_of(world.revoke(target, 3)) == "Withdraws");
        CHECK(world.is_active(*first));
        CHECK(world.is_active(*second));
        CHECK_FALSE(world.is_active(*third));
        CHECK(word_of_failure(retrievable(world.vault, target, world.now)) == "NotFound");
        CHECK(word_of(world.revoke(target, 3)) == "Unchanged");
        CHECK(word_of(world.revoke(target, 2)) == "Withdraws");
        CHECK_FALSE(world.is_active(*second));

        // By its name: all of it, although the current one is dead already.
        CHECK(word_of(world.revoke(target, 0)) == "Withdraws");
        CHECK_FALSE(world.is_active(*first));
        CHECK(word_of(world.revoke(target, 0)) == "Unchanged");
    }
}

TEST_CASE("An overlap that has ended needs no revocation") {
    World world;
    const Target target = world.target("user:alice", "deploy");
    world.create(target).value();
    world.rotate(target, 1, 3600).value();
    world.now += 3600;
    CHECK(word_of(world.revoke(target, 1)) == "Unchanged");
}

TEST_CASE("Other tokens do not notice a revocation") {
    World world;
    const Target mine = world.target("user:alice", "deploy");
    const Target other = world.target("user:alice", "other");
    const Target bobs = world.target("user:bob", "deploy");
    for (const Target& target : {mine, other, bobs}) world.create(target).value();
    const auto others_text = world.retrieve(other);
    const auto bobs_text = world.retrieve(bobs);
    world.revoke(mine).value();
    CHECK(world.is_active(*others_text));
    CHECK(world.is_active(*bobs_text));
}

TEST_CASE("Revoking an imported secret destroys its content") {
    World world;
    const Target target = world.target("user:alice", "npm");
    world.import(target).value();
    REQUIRE(world.token(target).seal_nonce);
    const auto plan = world.revoke(target);
    CHECK(word_of(plan) == "Withdraws");
    const TokenWrite& write = change_in(*plan)->tokens.front();
    REQUIRE(write.sealed_content);
    CHECK(write.sealed_content->empty());
    CHECK(world.token(target).revoked);
    CHECK_FALSE(world.token(target).seal_nonce);
    CHECK(word_of_failure(retrievable(world.vault, target, world.now)) == "NotFound");
    CHECK(word_of(world.revoke(target)) == "Unchanged");
}

TEST_CASE("An imported default that is revoked has no successor: it is not ours to make") {
    World world;
    const Target target = world.target("unit:web.service");
    world.import(target).value();
    CHECK(word_of(world.revoke(target)) == "Withdraws");
    CHECK(word_of_failure(retrievable(world.vault, target, world.now)) == "NotFound");
    CHECK(word_of(world.create(target)) == "AlreadyExists");
}

}  // namespace
}  // namespace hwvault::vault
