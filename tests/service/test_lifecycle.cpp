// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The verbs together, as a caller sees them.
#include <set>

#include "tests/service/harness.h"

using namespace hwvault;
using namespace hwvault::service;

TEST_CASE("The first Retrieve of one's own default makes the token, and later ones give the same") {
    Harness vault;
    const std::string first = vault.get(vault.alice);
    CHECK(first.size() == 63);
    CHECK(first.starts_with("hwv_"));
    CHECK(vault.get(vault.alice) == first);
    CHECK(vault.active(first));
    CHECK(vault.get(vault.bob) != first);
    CHECK(vault.service().status().tokens == 2);
}

TEST_CASE("Who comes first at the same moment, each gets the one string") {
    Harness vault;
    std::vector<decltype(vault.begin(vault.service().retrieve({vault.alice}, "", "")))> callers;
    while (callers.size() < 8) callers.push_back(vault.begin(vault.service().retrieve({vault.alice}, "", "")));
    for (const auto& caller : callers) vault.until([&] { return caller->has_value(); });
    const std::string given = vault.get(vault.alice);
    for (const auto& caller : callers) CHECK(text_of((**caller).value().secret.reveal()) == given);
    CHECK(vault.active(given));
}

TEST_CASE("A string that is another than was given before is given to nobody") {
    Harness vault;
    const std::string given = vault.get(vault.alice);
    SECTION("at the next Retrieve") { vault.device().is_another = true; }
    SECTION("after a start, when the hash comes from the store") {
        vault.restart();
        vault.device().is_another = true;
    }
    const auto refused = vault.run(vault.service().retrieve({vault.alice}, "", ""));
    REQUIRE_FALSE(refused);
    CHECK(refused.error().code == ErrorCode::kInternal);
    CHECK(refused.error().message.find("another string for user:alice/default") != std::string::npos);
    CHECK(vault.active(given));
    vault.device().is_another = false;
    CHECK(vault.get(vault.alice) == given);
}

TEST_CASE("Of two who come first, the one whose string is another gets nothing") {
    Harness vault;
    CHECK(vault.run(vault.service().create(vault.alice, "", "ci", {})));
    const auto first = vault.begin(vault.service().retrieve({vault.alice}, "", "ci"));
    vault.device().before_derive = [&] { vault.device().is_another = true; };
    const auto second = vault.begin(vault.service().retrieve({vault.alice}, "", "ci"));
    vault.until([&] { return first->has_value() && second->has_value(); });
    CHECK((*first)->has_value() != (*second)->has_value());
    const auto& refused = (*first)->has_value() ? **second : **first;
    CHECK(refused.error().code == ErrorCode::kInternal);
    const auto& given = (*first)->has_value() ? **first : **second;
    CHECK(vault.active(std::string(text_of(given->secret.reveal()))));
}

TEST_CASE("A first Retrieve makes nothing but one's own default") {
    Harness vault;
    CHECK(vault.run(vault.service().retrieve({vault.alice}, "", "ci")).error().code == ErrorCode::kNotFound);
    CHECK(vault.run(vault.service().retrieve({vault.alice}, "user:bob", "")).error().code == ErrorCode::kAccessDenied);
    CHECK(vault.run(vault.service().retrieve({vault.root}, "app:billing", "")).error().code != ErrorCode::kInternal);
    policy::Caller nobody;
    CHECK(vault.run(vault.service().retrieve({nobody}, "", "")).error().code == ErrorCode::kInvalidArgument);
    CHECK(vault.service().status().tokens == 0);
}

TEST_CASE("Revoke kills the old token before it answers, and its successor is another that is good") {
    Harness vault;
    const std::string old = vault.get(vault.alice);
    const auto revoked = vault.run(vault.service().revoke(vault.alice, "", "", 0));
    REQUIRE(revoked);
    CHECK_FALSE(vault.active(old));
    CHECK(revoked->generation == 2);
    CHECK(revoked->rollback_protected == true);
    const std::string fresh = vault.get(vault.alice);
    CHECK(fresh != old);
    CHECK(vault.active(fresh));
    CHECK_FALSE(vault.active(old));
}

TEST_CASE("A retried Revoke that names its generation does not kill the successor") {
    Harness vault;
    vault.get(vault.alice);
    REQUIRE(vault.run(vault.service().revoke(vault.alice, "", "", 1)));
    const std::string successor = vault.get(vault.alice);
    const auto again = vault.run(vault.service().revoke(vault.alice, "", "", 1));
    REQUIRE(again);
    CHECK(again->generation == 2);
    CHECK_FALSE(again->rollback_protected.has_value());
    CHECK(vault.active(successor));
}

TEST_CASE("Whoever finds a token can kill it, and learns nothing") {
    Harness vault;
    const std::string leaked = vault.get(vault.alice);
    const auto answer = vault.run(vault.service().revoke_token(vault.bob, SecretBytes::copy_of(bytes_of(leaked))));
    REQUIRE(answer);
    CHECK_FALSE(answer->has_value());
    CHECK_FALSE(vault.active(leaked));
    const auto unknown = vault.run(vault.service().revoke_token(vault.bob, SecretBytes::copy_of(bytes_of("hwv_x"))));
    REQUIRE(unknown);
    CHECK_FALSE(unknown->has_value());

    const std::string next = vault.get(vault.alice);
    const auto owner = vault.run(vault.service().revoke_token(vault.alice, SecretBytes::copy_of(bytes_of(next))));
    REQUIRE(owner);
    REQUIRE(owner->has_value());
    CHECK((*owner)->account == "user:alice");
}

TEST_CASE("RevokeToken means the string that was shown, not another token of its name and number") {
    Harness vault;
    REQUIRE(vault.run(vault.service().create(vault.alice, "", "x", {})));
    const std::string shown = vault.get(vault.alice, "", "x");
    // Recognised before the name is deleted and made again, planned after.
    const auto erased = vault.begin(vault.service().erase(vault.alice, "", "x"));
    const auto made = vault.begin(vault.service().create(vault.alice, "", "x", {}));
    const auto killed = vault.begin(vault.service().revoke_token(vault.bob, SecretBytes::copy_of(bytes_of(shown))));
    vault.until([&] { return erased->has_value() && made->has_value() && killed->has_value(); });
    CHECK((**erased && **made && **killed));
    CHECK_FALSE(vault.active(shown));
    CHECK(vault.active(vault.get(vault.alice, "", "x")));
}

TEST_CASE("An ordinary caller verifies its own tokens only, and cannot tell another's from an unknown one") {
    Harness vault;
    const std::string mine = vault.get(vault.alice);
    const std::string other = vault.get(vault.bob);
    const auto own = vault.service().verify(vault.alice, bytes_of(mine));
    REQUIRE(own);
    CHECK(own->active);
    CHECK(own->account == "user:alice");
    const auto theirs = vault.service().verify(vault.alice, bytes_of(other));
    const auto unknown = vault.service().verify(vault.alice, bytes_of("hwv_nonsense"));
    REQUIRE_FALSE(theirs);
    REQUIRE_FALSE(unknown);
    CHECK(theirs.error() == unknown.error());
    CHECK(theirs.error().code == ErrorCode::kAccessDenied);
    policy::Caller checker = user("www-data", 33);
    checker.groups.push_back("hwvault-verify");
    CHECK(vault.service().verify(checker, bytes_of(other)).value().active);
}

TEST_CASE("Delete and create again never gives a string that was seen before") {
    Harness vault;
    std::set<std::string> seen;
    for (int round = 0; round < 20; ++round) {
        REQUIRE(vault.run(vault.service().create(vault.alice, "", "x", {})));
        CHECK(seen.insert(vault.get(vault.alice, "", "x")).second);
        REQUIRE(vault.run(vault.service().erase(vault.alice, "", "x")));
    }
    for (const std::string& dead : seen) CHECK_FALSE(vault.active(dead));
}

TEST_CASE("A named token rotates with an overlap, and the old one ends at its deadline") {
    Harness vault;
    vault::CreateOptions options;
    options.scopes = {"read"};
    REQUIRE(vault.run(vault.service().create(vault.alice, "", "ci", options)));
    const std::string old = vault.get(vault.alice, "", "ci");
    REQUIRE(vault.run(vault.service().rotate(vault.alice, "", "ci", 0, 3600)));
    const std::string fresh = vault.get(vault.alice, "", "ci");
    CHECK(fresh != old);
    CHECK(vault.active(old));
    CHECK(vault.active(fresh));
    vault.now += 3601;
    CHECK_FALSE(vault.active(old));
    CHECK(vault.active(fresh));
    vault.now -= 3601;  // a clock set back revives nothing
    CHECK_FALSE(vault.active(old));
}

TEST_CASE("A clock set back over a restart revives nothing") {
    Harness vault;
    vault::CreateOptions options;
    options.expires_in = 60;
    REQUIRE(vault.run(vault.service().create(vault.alice, "", "ci", options)));
    const std::string text = vault.get(vault.alice, "", "ci");
    vault.now += 61;
    CHECK_FALSE(vault.active(text));
    CHECK(vault.run(vault.service().retrieve({vault.alice}, "", "ci")).error().code == ErrorCode::kExpired);
    vault.get(vault.alice);  // a commit, which takes the time mark with it
    vault.now -= 3600;
    vault.restart();
    CHECK_FALSE(vault.active(text));
}

TEST_CASE("Somebody else's secret comes back byte for byte, until it is revoked") {
    Harness vault;
    std::string secret(100'000, '\0');
    for (std::size_t i = 0; i < secret.size(); ++i) secret[i] = static_cast<char>(i * 7);
    REQUIRE(vault.run(vault.service().import(vault.alice, "", "github", SecretBytes::copy_of(bytes_of(secret)), {})));
    CHECK(vault.get(vault.alice, "", "github") == secret);
    vault.restart();
    CHECK(vault.get(vault.alice, "", "github") == secret);
    CHECK_FALSE(vault.active(secret));
    REQUIRE(vault.run(vault.service().import(vault.alice, "", "github", SecretBytes::copy_of(bytes_of("new")), {})));
    CHECK(vault.get(vault.alice, "", "github") == "new");
    CHECK(vault.run(vault.service().rotate(vault.alice, "", "github", 0, 0)).error().code ==
          ErrorCode::kInvalidArgument);
    REQUIRE(vault.run(vault.service().revoke(vault.alice, "", "github", 0)));
    CHECK(vault.run(vault.service().retrieve({vault.alice}, "", "github")).error().code == ErrorCode::kNotFound);
}

TEST_CASE("A secret has 1 byte to 1 MiB") {
    Harness vault;
    const auto import = [&](std::size_t size) {
        return vault.run(vault.service().import(vault.alice, "", "big", SecretBytes(size), {}));
    };
    CHECK(import(0).error().code == ErrorCode::kInvalidArgument);
    CHECK(import((1 << 20) + 1).error().code == ErrorCode::kInvalidArgument);
    CHECK(import(1 << 20));
}

TEST_CASE("List pages through everything that the caller may see, once each") {
    Harness vault;
    for (int i = 0; i < 25; ++i) {
        REQUIRE(vault.run(vault.service().create(vault.alice, "", "t" + std::to_string(i), {})));
        REQUIRE(vault.run(vault.service().create(vault.bob, "", "t" + std::to_string(i), {})));
    }
    const auto names = [&](const policy::Caller& caller, const std::string& account) {
        std::multiset<std::string> found;
        std::string cursor;
        do {
            const Page page = vault.run(vault.service().list(caller, account, cursor, 7)).value();
            for (const auto& info : page.infos) found.insert(info.account + "/" + info.name);
            cursor = page.next;
        } while (!cursor.empty());
        return found;
    };
    CHECK(names(vault.alice, "").size() == 25);
    CHECK(names(vault.alice, "*").size() == 25);
    CHECK(names(vault.root, "*").size() == 50);
    CHECK(names(vault.root, "user:bob").size() == 25);
    CHECK(names(vault.alice, "user:bob").empty());
    const auto all = names(vault.root, "*");
    CHECK(std::set<std::string>(all.begin(), all.end()).size() == 50);
}

TEST_CASE("Who watches sees changes of what it may describe, and nothing else") {
    Harness vault;
    auto alices = vault.service().watch(vault.alice, "*").value();
    auto everything = vault.service().watch(vault.root, "*").value();
    vault.get(vault.bob);
    vault.get(vault.alice);
    REQUIRE(vault.run(vault.service().revoke(vault.alice, "", "", 0)));
    CHECK(vault.run(alices->next()).value().event == "created");
    const auto revoked = vault.run(alices->next()).value();
    CHECK(revoked.event == "revoked");
    CHECK(revoked.account == "user:alice");
    CHECK(vault.run(everything->next()).value().account == "user:bob");
    alices->cancel();
    CHECK(vault.run(alices->next()).error().code == ErrorCode::kBusy);
}

TEST_CASE("Limits that are read anew count for what is made from then on") {
    Harness vault;
    vault.get(vault.alice);
    vault.service().set_quotas({.tokens_per_account = 1, .tokens = 1});
    CHECK(vault.run(vault.service().create(vault.alice, "", "ci", {})).error().code == ErrorCode::kQuotaExceeded);
    vault.service().set_quotas({});
    CHECK(vault.run(vault.service().create(vault.alice, "", "ci", {})));
}

TEST_CASE("A watcher that does not read is dropped, and holds nobody up") {
    Harness vault;
    auto slow = vault.service().watch(vault.alice, "*").value();
    for (std::size_t i = 0; i < Watch::kMaxBacklog / 2 + 2; ++i) {
        REQUIRE(vault.run(vault.service().create(vault.alice, "", "x", {})));
        REQUIRE(vault.run(vault.service().erase(vault.alice, "", "x")));
    }
    CHECK(vault.run(slow->next()).error().code == ErrorCode::kBusy);
}
