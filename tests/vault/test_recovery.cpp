// SPDX-License-Identifier: LGPL-2.1-or-later
#include "daemon/vault/recovery.h"

#include "tests/vault/world.h"

namespace hwvault::vault {
namespace {

// A token with an older generation in its overlap; both end.
Token overlapping() {
    World world;
    CreateOptions options;
    options.expires_in = 1'000;
    const Target target = world.target("user:alice", "deploy");
    world.create(target, options).value();
    world.rotate(target, 0, 100).value();
    return world.token(target);
}

TEST_CASE("A record that has not changed is good as it was signed") {
    const Token then = overlapping();
    CHECK(still_good(then, then) == then);
    Token revoked = then;
    revoked.revoked = true;
    CHECK(still_good(revoked, revoked) == revoked);
}

TEST_CASE("A record that is gone, or does not read as one, is no good") {
    CHECK_FALSE(still_good(overlapping(), std::nullopt));
    const Account account{.id = {}, .name = account_name("app:shop"), .uid = {}, .owners = {"user:alice"}};
    CHECK_FALSE(still_good(account, std::nullopt));
}

TEST_CASE("A current generation that was revoked or replaced since takes the token with it") {
    const Token then = overlapping();
    Token now = then;
    SECTION("revoked") { now.revoked = true; }
    SECTION("replaced") {
        now.generations.back().id.fill('N');
        now.generations.back().number = 3;
    }
    CHECK_FALSE(still_good(then, now));
}

TEST_CASE("An older generation that was revoked since is gone, and the current one stays") {
    const Token then = overlapping();
    Token now = then;
    now.generations.erase(now.generations.begin());
    const auto good = still_good(then, now);
    REQUIRE(good);
    REQUIRE(good->generations.size() == 1);
    CHECK(good->current() == then.current());
}

TEST_CASE("Of two ends the earlier one counts, whichever of them is signed") {
    const Token then = overlapping();
    for (const UnixTime end : {UnixTime{5}, UnixTime{9'999'999'999}, kNever}) {
        INFO(end);
        Token now = then;
        now.generations.front().expires_at = end;
        now.generations.back().expires_at = end;
        const auto good = still_good(then, now);
        REQUIRE(good);
        for (std::size_t i = 0; i < 2; ++i) {
            const UnixTime signed_end = then.generations[i].expires_at;
            CHECK(good->generations[i].expires_at == (end == 5 ? 5 : signed_end));
        }
    }
    Token endless = then;
    endless.generations.back().expires_at = kNever;
    CHECK(still_good(endless, then)->current().expires_at == then.current().expires_at);
}

TEST_CASE("What the file adds is not believed") {
    const Token then = overlapping();
    Token now = then;
    now.scopes = {"everything"};
    now.description = "mine";
    now.generations.front().nonce = Nonce{9};
    now.generations.insert(now.generations.begin(), Generation{});
    CHECK(still_good(then, now) == then);

    Token dead = then;
    dead.revoked = true;
    CHECK(still_good(dead, then)->revoked);
}

TEST_CASE("Owners are those that are signed and still there") {
    const Account then{.id = {}, .name = account_name("app:shop"), .uid = {}, .owners = {"user:alice", "user:bob"}};
    Account now = then;
    now.owners = {"user:bob", "user:mallory"};
    CHECK(still_good(then, now)->owners == std::vector<std::string>{"user:bob"});
}

TEST_CASE("A replaced token has one new generation, and nothing of the old ones") {
    World world;
    Token then = overlapping();
    then.seal_nonce = Nonce{7};
    const Token fresh = replaced(then, world.occasion());
    REQUIRE(fresh.generations.size() == 1);
    CHECK(fresh.current().number == 3);
    CHECK_FALSE(fresh.current().given);
    CHECK_FALSE(fresh.seal_nonce);
    CHECK(fresh.current().id != then.current().id);
    CHECK(fresh.current().nonce != then.current().nonce);
}

}  // namespace
}  // namespace hwvault::vault
