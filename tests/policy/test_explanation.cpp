// SPDX-License-Identifier: LGPL-2.1-or-later
#include "policy/explanation.h"

#include <algorithm>

#include "policy/files/files.h"
#include "tests/catch.h"
#include "tests/policy/rules.h"

namespace hwvault::policy::explaining {
namespace {

using vault::Verb;

const Policy kShipped = Policy::of({{kDefaultFile, std::string(default_rules())}}).value();
const Caller kAlice = user(1000, "alice", {"staff"});

bool needs(const Explanation& explanation, const std::string& rule, const std::string& words) {
    return std::ranges::any_of(explanation.needs, [&](const Need& need) {
        return need.rule->name == rule && need.sentence.find(words) != std::string::npos;
    });
}

TEST_CASE("what is allowed is explained by the rule, its file and its line") {
    const Object own = object("user:alice");
    const auto why = explain(kShipped, {kAlice, Verb::kRetrieve, own, {}});
    CHECK(why.decision.allowed);
    REQUIRE(why.rule != nullptr);
    CHECK(why.rule->name == "own-account");
    CHECK(why.rule->file == kDefaultFile);
    CHECK(why.rule->line == 4);
    CHECK(why.needs.empty());
}

TEST_CASE("what no rule allows is explained by each way to be allowed it") {
    const Object billing = object("app:billing", {"user:bob", "group:devs"}, "ci");
    const auto read = explain(kShipped, {kAlice, Verb::kRetrieve, billing, {}});
    CHECK_FALSE(read.decision.allowed);
    CHECK(read.rule == nullptr);
    CHECK(read.needs.size() == 1);
    CHECK(needs(read, "app-owner", "user:bob, group:devs"));
    const auto revoke = explain(kShipped, {kAlice, Verb::kRevoke, billing, {}});
    CHECK(needs(revoke, "app-owner", "user:bob"));
    CHECK(needs(revoke, "administrator", "user:root, group:hwvault-admin"));
    const Object bobs = object("user:bob");
    CHECK(needs(explain(kShipped, {kAlice, Verb::kRetrieve, bobs, {}}), "own-account", "be user:bob"));
    const Object nobodys = object("app:new");
    CHECK(needs(explain(kShipped, {kAlice, Verb::kRetrieve, nobodys, {}}), "app-owner", "which has none"));
}

TEST_CASE("a denial is explained by the rule that denies") {
    const Policy policy = policy_of(
        "[[allow]]\nname='all'\nanyone=true\nverbs='*'\naccounts='*'\n"
        "[[deny]]\nname='not-alice'\nuser='alice'\nverbs='*'\naccounts='app:*'\n");
    const Object billing = object("app:billing");
    const auto why = explain(policy, {kAlice, Verb::kVerify, billing, {}});
    CHECK_FALSE(why.decision.allowed);
    REQUIRE(why.rule != nullptr);
    CHECK(why.rule->name == "not-alice");
    CHECK(why.rule->line == 6);
    CHECK(needs(why, "not-alice", "not be denied it as one of user:alice"));
}

TEST_CASE("a wish beyond the limits is explained by them") {
    const Policy policy = policy_of(
        "[[allow]]\nname='some'\nanyone=true\nverbs='Create'\naccounts='*'\nscopes=['read','repo:*']\nmax_expiry='1d'\n");
    const Object billing = object("app:billing");
    const Wanted wanted{.owners = true, .string = true, .scopes = {"write"}, .expires_in = std::nullopt};
    const auto why = explain(policy, {kAlice, Verb::kCreate, billing, wanted});
    CHECK(why.decision.beyond_limits);
    CHECK(needs(why, "some", "no scopes but read, repo:*"));
    CHECK(needs(why, "some", "within 86400 seconds"));
    CHECK(needs(why, "some", "name no owners"));
}

TEST_CASE("who could do it is told by each rule that lets somebody, and by what is taken away again") {
    const Policy policy = policy_of(
        "[[allow]]\nname='owner'\nanyone=true\nverbs='Retrieve'\naccounts=['@owner','@self']\n"
        "[[allow]]\nname='ci'\nunit='runner@*'\ngroup='ci'\nverbs='Retrieve'\naccounts='app:*'\ntokens='ci'\n"
        "[[allow]]\nname='other'\nanyone=true\nverbs='Verify'\naccounts='*'\n"
        "[[deny]]\nname='guests'\ngroup='guests'\nverbs='*'\naccounts='*'\n");
    const auto billing = who_may(policy, Verb::kRetrieve, object("app:billing", {"user:bob"}, "ci"));
    REQUIRE(billing.grants.size() == 2);
    CHECK(billing.grants[0].who == std::vector<std::string>{"user:bob"});
    CHECK(billing.grants[1].who == std::vector<std::string>{"group:ci", "unit:runner@*"});
    REQUIRE(billing.but_not.size() == 1);
    CHECK(billing.but_not[0].who == std::vector<std::string>{"group:guests"});
    CHECK(who_may(policy, Verb::kRetrieve, object("app:billing", {"user:bob"}, "prod")).grants.size() == 1);
    CHECK(who_may(policy, Verb::kRetrieve, object("unit:web.service")).grants[0].who ==
          std::vector<std::string>{"unit:web.service"});
    CHECK(who_may(policy, Verb::kRetrieve, object("app:new")).grants.empty());
}

}  // namespace
}  // namespace hwvault::policy::explaining
