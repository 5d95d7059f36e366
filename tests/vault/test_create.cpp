// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Create: first tokens and their accounts, options and their bounds, owners, quotas, and whose a user's account is.
#include <set>
#include <string>
#include <vector>

#include "tests/catch.h"
#include "tests/vault/world.h"

namespace hwvault::vault {
namespace {

CreateOptions owned_by(std::vector<std::string> owners) {
    CreateOptions options;
    options.owners = std::move(owners);
    return options;
}

TEST_CASE("The first token of a user makes the account, with the uid on record") {
    World world;
    const Target alice = world.target("user:alice");
    CHECK(word_of(world.create(alice)) == "Grants");
    const Account* account = world.vault.find(alice.account);
    REQUIRE(account != nullptr);
    CHECK(account->uid == 1000u);
    CHECK(account->created_at == world.now);
    const Token token = world.token(alice);
    CHECK(token.account == account->id);
    CHECK(token.origin == Origin::kIssued);
    CHECK(token.generations.size() == 1);
    CHECK(token.current().number == 1);
    CHECK(token.current().expires_at == kNever);
    CHECK_FALSE(token.current().given);
    CHECK(world.vault.account_count() == 1);
    CHECK(world.vault.token_count() == 1);
}

TEST_CASE("A second token goes into the account that is there") {
    World world;
    world.create(world.target("user:alice")).value();
    const Id account = world.vault.find(account_name("user:alice"))->id;
    CHECK(word_of(world.create(world.target("user:alice", "deploy"))) == "Grants");
    CHECK(world.vault.account_count() == 1);
    CHECK(world.token(world.target("user:alice", "deploy")).account == account);
    CHECK(world.vault.tokens_of(account_name("user:alice")) == 2);
}

TEST_CASE("Create says in the audit event and in the notice what was made") {
    World world;
    const auto plan = world.create(world.target("unit:web.service", "deploy"));
    const Change& change = std::get<Grants>(*plan).change;
    REQUIRE(change.event);
    CHECK(change.event->verb == Verb::kCreate);
    CHECK(change.event->time == world.now);
    CHECK(change.event->account == "unit:web.service");
    CHECK(change.event->name == "deploy");
    CHECK(change.event->generation == 1);
    CHECK(change.event->token_id == crypto::id_text(change.tokens.front().token.current().id));
    CHECK(change.event->actor.user == "root");
    CHECK(change.event->decided_by == "test");
    REQUIRE(change.notice);
    CHECK(change.notice->event == "created");
    CHECK(change.notice->generation == 1);
}

TEST_CASE("What exists is not created again") {
    World world;
    const Target target = world.target("user:alice", "deploy");
    world.create(target).value();
    CHECK(word_of(world.create(target)) == "AlreadyExists");
    world.now += kMaxLifetime;
    CHECK(word_of(world.create(target)) == "AlreadyExists");
    world.import(world.target("user:alice", "npm")).value();
    CHECK(word_of(world.create(world.target("user:alice", "npm"))) == "AlreadyExists");
}

TEST_CASE("A revoked token is created again as a new generation with these options and no others") {
    World world;
    const Target target = world.target("user:alice", "deploy");
    CreateOptions options;
    options.scopes = {"read", "write"};
    options.description = "first";
    options.expires_in = 60;
    world.create(target, options).value();
    const auto old = world.retrieve(target);
    const Id id = world.token(target).id;
    world.revoke(target).value();

    CHECK(word_of(world.create(target)) == "Grants");
    const Token token = world.token(target);
    CHECK(token.id == id);
    CHECK_FALSE(token.revoked);
    CHECK(token.current().number == 2);
    CHECK(token.generations.size() == 1);
    CHECK(token.scopes.empty());
    CHECK(token.description.empty());
    CHECK(token.current().expires_at == kNever);
    CHECK_FALSE(world.is_active(*old));
    CHECK(world.is_active(*world.retrieve(target)));
}

TEST_CASE("A revoked token is not created again while an older string of it lives, which would get the new scopes") {
    World world;
    const Target target = world.target("user:alice", "deploy");
    world.create(target).value();
    const auto old = world.retrieve(target);
    world.rotate(target, 0, 3600).value();
    world.revoke(target, 2).value();
    REQUIRE(world.is_active(*old));

    CreateOptions options;
    options.scopes = {"admin"};
    CHECK(world.create(target, options).error().code == ErrorCode::kAlreadyExists);
    CHECK(world.is_active(*old));
    world.now += 3601;
    CHECK(word_of(world.create(target, options)) == "Grants");
    CHECK_FALSE(world.is_active(*old));
}

TEST_CASE("Options are checked and kept") {
    World world;
    const Target target = world.target("user:alice", "deploy");
    CreateOptions options;
    options.scopes = {"write", "read", "write"};
    options.description = "deploys the site";
    options.expires_in = 3600;
    world.create(target, options).value();
    const Token token = world.token(target);
    CHECK(token.scopes == std::vector<std::string>{"read", "write"});
    CHECK(token.description == "deploys the site");
    CHECK(token.lifetime == 3600);
    CHECK(token.current().expires_at == world.now + 3600);
}

TEST_CASE("Options outside their bounds are refused, and nothing is made") {
    World world;
    const Target target = world.target("user:alice", "deploy");
    CreateOptions options;
    SECTION("an expiry at once") { options.expires_in = 0; }
    SECTION("an expiry too far ahead") { options.expires_in = kMaxLifetime + 1; }
    SECTION("an expiry that would overflow") { options.expires_in = ~std::uint64_t{0}; }
    SECTION("a scope outside the grammar") { options.scopes = {"read\n"}; }
    SECTION("a description of two lines") { options.description = "a\nb"; }
    CHECK(word_of(world.create(target, options)) == "InvalidArgument");
    CHECK(world.vault.account_count() == 0);
    CHECK(world.vault.token_count() == 0);
}

TEST_CASE("The longest lifetime is accepted") {
    World world;
    CreateOptions options;
    options.expires_in = kMaxLifetime;
    CHECK(word_of(world.create(world.target("user:alice", "deploy"), options)) == "Grants");
}

TEST_CASE("An app's first token names its owners") {
    World world;
    const Target shop = world.target("app:shop", "deploy");
    CHECK(word_of(world.create(shop)) == "InvalidArgument");
    CHECK(word_of(world.create(shop, owned_by({}))) == "InvalidArgument");
    CHECK(word_of(world.create(shop, owned_by({"shop"}))) == "InvalidArgument");
    CHECK(word_of(world.create(shop, owned_by({"unit:web.service", "group:ops"}))) == "Grants");
    CHECK(world.vault.find(shop.account)->owners == std::vector<std::string>{"group:ops", "unit:web.service"});
    CHECK(word_of(world.create(world.target("app:shop", "second"))) == "Grants");
}

TEST_CASE("Only an app has owners") {
    World world;
    const std::string account = GENERATE("user:alice", "unit:web.service");
    CHECK(word_of(world.create(world.target(account), owned_by({"user:bob"}))) == "InvalidArgument");
    world.create(world.target(account)).value();
    CHECK(word_of(world.create(world.target(account), owned_by({"user:bob"}))) == "InvalidArgument");
    CHECK(world.vault.find(account_name(account))->owners.empty());
}

TEST_CASE("Owners alone change the owners of an app that exists, and taking one away takes trust away") {
    World world;
    const Target shop = world.target("app:shop");
    world.create(shop, owned_by({"user:alice", "user:bob"})).value();
    const Token before = world.token(shop);

    const auto added = world.create(shop, owned_by({"user:alice", "user:bob", "user:carol"}));
    CHECK(word_of(added) == "Grants");
    const auto removed = world.create(shop, owned_by({"user:carol"}));
    CHECK(word_of(removed) == "Withdraws");
    CHECK(std::get<Withdraws>(*removed).change.notice->event == "owners-changed");
    CHECK(word_of(world.create(shop, owned_by({"user:carol"}))) == "Grants");
    CHECK(word_of(world.create(shop, owned_by({"user:alice"}))) == "Withdraws");
    CHECK(world.vault.find(shop.account)->owners == std::vector<std::string>{"user:alice"});
    CHECK(world.token(shop) == before);

    CHECK(word_of(world.create(shop, owned_by({}))) == "InvalidArgument");
    CHECK(word_of(world.create(shop, owned_by({"user:*"}))) == "InvalidArgument");
    CHECK(world.vault.find(shop.account)->owners == std::vector<std::string>{"user:alice"});
}

TEST_CASE("Owners are not changed in passing") {
    World world;
    world.create(world.target("app:shop"), owned_by({"user:alice"})).value();
    CreateOptions options = owned_by({"user:bob"});
    options.description = "and a token";
    CHECK(word_of(world.create(world.target("app:shop", "deploy"), options)) == "InvalidArgument");
    CHECK(word_of(world.import(world.target("app:shop", "npm"), owned_by({"user:bob"}))) == "InvalidArgument");
    CHECK(world.vault.find(account_name("app:shop"))->owners == std::vector<std::string>{"user:alice"});
    CHECK(world.vault.token_count() == 1);
}

TEST_CASE("An account has so many tokens and no more") {
    World world(Quotas{.tokens_per_account = 2, .tokens = 100});
    world.create(world.target("user:alice", "a")).value();
    world.import(world.target("user:alice", "b")).value();
    CHECK(word_of(world.create(world.target("user:alice", "c"))) == "QuotaExceeded");
    CHECK(word_of(world.import(world.target("user:alice", "c"))) == "QuotaExceeded");
    CHECK(word_of(world.create(world.target("user:bob", "a"))) == "Grants");
    // What is there may change: a quota never stands in the way of a revocation or a new generation.
    CHECK(word_of(world.rotate(world.target("user:alice", "a"))) == "Withdraws");
    CHECK(word_of(world.import(world.target("user:alice", "b"))) == "Withdraws");
    CHECK(word_of(world.revoke(world.target("user:alice", "a"))) == "Withdraws");
    CHECK(word_of(world.create(world.target("user:alice", "a"))) == "Grants");
    world.erase(world.target("user:alice", "a")).value();
    CHECK(word_of(world.create(world.target("user:alice", "c"))) == "Grants");
}

TEST_CASE("The vault has so many tokens and no more") {
    World world(Quotas{.tokens_per_account = 10, .tokens = 2});
    world.create(world.target("user:alice")).value();
    world.create(world.target("user:bob")).value();
    CHECK(word_of(world.create(world.target("user:carol"))) == "QuotaExceeded");
    CHECK(word_of(world.import(world.target("unit:web.service"))) == "QuotaExceeded");
    CHECK(world.vault.account_count() == 2);
}

TEST_CASE("A reused uid is refused with an explanation, and what the former user left can still be ended") {
    World world;
    const Target former = world.target("user:alice", "deploy");
    world.create(former).value();
    const auto text = world.retrieve(former);
    world.uid = 1007;
    const Target now = world.target("user:alice", "deploy");

    const auto refused = world.rotate(now);
    REQUIRE_FALSE(refused);
    CHECK(refused.error().code == ErrorCode::kAccessDenied);
    CHECK(refused.error().message.find("1000") != std::string::npos);
    CHECK(refused.error().message.find("1007") != std::string::npos);
    CHECK(refused.error().message.find("administrator") != std::string::npos);
    CHECK(word_of(world.create(world.target("user:alice"))) == "AccessDenied");
    CHECK(word_of(world.import(world.target("user:alice", "npm"))) == "AccessDenied");
    CHECK(word_of_failure(retrievable(world.vault, now, world.now)) == "AccessDenied");
    CHECK(word_of(record_hash(world.vault, now, {world.token(now).current().id, {}, {}})) == "AccessDenied");
    CHECK(world.is_active(*text));

    CHECK(word_of(world.revoke(now)) == "Withdraws");
    CHECK_FALSE(world.is_active(*text));
    CHECK(word_of(world.erase(now)) == "Withdraws");
    CHECK(word_of(world.create(now)) == "Grants");
    CHECK(world.vault.find(now.account)->uid == 1007u);
    CHECK_FALSE(world.is_active(*text));
}

TEST_CASE("An account on record belongs to its uid, whether the name service knows the user or not") {
    World world;
    const Target alice = world.target("user:alice");
    world.create(alice).value();
    const Account& account = *world.vault.find(alice.account);
    CHECK(same_user(account, alice));
    Target gone = alice;
    gone.uid.reset();
    CHECK(same_user(account, gone));
    Target other = alice;
    other.uid = 0;
    CHECK_FALSE(same_user(account, other));
}

TEST_CASE("Nobody, a dynamic user and a name that is no user get no account") {
    World world;
    Target target = world.target("user:ghost");
    target.uid = GENERATE(as<std::optional<std::uint32_t>>{}, std::nullopt, 65534u, 61184u, 65519u);
    CHECK(word_of(world.create(target)) == "NotFound");
    CHECK(word_of(world.import(target)) == "NotFound");
    CHECK(world.vault.account_count() == 0);
}

TEST_CASE("Delete takes the token and its strings, and with the last one the account") {
    World world;
    const Target a = world.target("user:alice", "a");
    const Target b = world.target("user:alice", "b");
    world.create(a).value();
    world.create(b).value();
    const auto text = world.retrieve(a);
    const auto plan = world.erase(a);
    CHECK(word_of(plan) == "Withdraws");
    CHECK(plan->change.event->verb == Verb::kDelete);
    CHECK(plan->change.notice->event == "deleted");
    CHECK_FALSE(world.vault.find(a.account, a.name));
    CHECK_FALSE(world.is_active(*text));
    CHECK(world.vault.account_count() == 1);
    CHECK(word_of(world.erase(a)) == "NotFound");

    world.erase(b).value();
    CHECK(world.vault.account_count() == 0);
    CHECK(world.vault.token_count() == 0);
    CHECK(world.vault.tokens_of(a.account) == 0);
    CHECK(word_of(world.erase(b)) == "NotFound");
}

TEST_CASE("Delete and create again never gives a string that was seen before") {
    World world;
    const Target target = world.target("user:alice");
    std::set<std::string> seen;
    for (int i = 0; i < 50; ++i) {
        world.create(target).value();
        const auto text = world.retrieve(target);
        CHECK(seen.emplace(text_of(text->reveal())).second);
        world.erase(target).value();
    }
}

TEST_CASE("Fresh material is fresh") {
    const Fresh one = draw_fresh().value();
    const Fresh two = draw_fresh().value();
    CHECK(one.account_id != two.account_id);
    CHECK(one.token_id != two.token_id);
    CHECK(one.account_id != one.token_id);
    CHECK(one.nonce != two.nonce);
    CHECK(one.nonce != one.seal_nonce);
    CHECK(one.public_id != two.public_id);
    CHECK(crypto::parse_token_id(crypto::id_text(one.public_id)));
}

}  // namespace
}  // namespace hwvault::vault
