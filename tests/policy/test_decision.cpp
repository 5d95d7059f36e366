// SPDX-License-Identifier: LGPL-2.1-or-later
//
// How rules of any text are decided by.
#include "policy/policy.h"

#include "tests/catch.h"
#include "tests/policy/rules.h"

namespace hwvault::policy::deciding {
namespace {

using vault::Verb;

const Caller kAlice = user(1000, "alice", {"staff", "ops"});
const Caller kBob = user(1001, "bob", {"staff"});
const Caller kWorker = in_unit(user(33, "www-data"), "worker@7.service");
const Object kBilling = object("app:billing", {"user:bob"}, "ci");

TEST_CASE("a policy without rules allows nothing") {
    const Policy none = policy_of("");
    for (const Verb verb : kRuledVerbs) CHECK_FALSE(none.decide(user(0, "root"), verb, kBilling).allowed);
    CHECK_FALSE(none.may_verify_any(user(0, "root")));
}

TEST_CASE("a deny wins, wherever it stands and whatever it stands beside") {
    const std::string allow = "[[allow]]\nname='staff'\ngroup='staff'\nverbs='*'\naccounts='*'\n";
    const std::string deny = "[[deny]]\nname='not-alice'\nuser='alice'\nverbs='Retrieve'\naccounts='app:billing'\n";
    for (const Policy& policy : {policy_of(allow + deny), policy_of(deny + allow)}) {
        const Decision refused = policy.decide(kAlice, Verb::kRetrieve, kBilling);
        CHECK_FALSE(refused.allowed);
        CHECK(refused.rule == "not-alice");
        CHECK(policy.decide(kAlice, Verb::kRevoke, kBilling).allowed);
        CHECK(policy.decide(kAlice, Verb::kRetrieve, object("app:other")).allowed);
        CHECK(policy.decide(kBob, Verb::kRetrieve, kBilling).allowed);
    }
}

TEST_CASE("of several rules that allow it, the first in files and lines decides") {
    const auto rule = [](const std::string& name, const std::string& who) {
        return "[[allow]]\nname='" + name + "'\n" + who + "\nverbs='Retrieve'\naccounts='*'\n";
    };
    const Policy policy = Policy::of({{"10.toml", rule("b", "anyone=true") + rule("a", "user='alice'")},
                                      {"20.toml", rule("c", "group='ops'")}})
                              .value();
    CHECK(policy.decide(kAlice, Verb::kRetrieve, kBilling).rule == "b");
    const Policy other_way = Policy::of({{"10.toml", rule("c", "group='ops'")},
                                         {"20.toml", rule("b", "anyone=true") + rule("a", "user='alice'")}})
                                 .value();
    CHECK(other_way.decide(kAlice, Verb::kRetrieve, kBilling).rule == "c");
    CHECK(other_way.decide(kBob, Verb::kRetrieve, kBilling).rule == "b");
}

TEST_CASE("a star matches what goes on after a separator, and never the bare beginning") {
    const Policy policy = policy_of(
        "[[allow]]\nname='ci'\nuser='alice'\nverbs='Retrieve'\naccounts='app:ci-*'\ntokens=['deploy','stage.*']\n");
    const auto may = [&](std::string_view account, std::string_view name) {
        return policy.decide(kAlice, Verb::kRetrieve, object(account, {}, name)).allowed;
    };
    CHECK(may("app:ci-one", "deploy"));
    CHECK(may("app:ci-one", "stage.eu"));
    CHECK_FALSE(may("app:ci-", "deploy"));
    CHECK_FALSE(may("app:ci", "deploy"));
    CHECK_FALSE(may("app:cinema", "deploy"));
    CHECK_FALSE(may("user:ci-one", "deploy"));
    CHECK_FALSE(may("app:ci-one", "deploy2"));
    CHECK_FALSE(may("app:ci-one", "stage"));
    CHECK_FALSE(may("app:ci-one", ""));
}

TEST_CASE("a unit is named exactly or by its template, and only with a unit on record") {
    const Policy policy = policy_of(
        "[[allow]]\nname='workers'\nunit=['worker@*','web.service']\nverbs='Retrieve'\naccounts='app:billing'\n");
    CHECK(policy.decide(kWorker, Verb::kRetrieve, kBilling).allowed);
    CHECK(policy.decide(in_unit(kWorker, "web.service"), Verb::kRetrieve, kBilling).allowed);
    CHECK_FALSE(policy.decide(in_unit(kWorker, "workers.service"), Verb::kRetrieve, kBilling).allowed);
    CHECK_FALSE(policy.decide(in_unit(kWorker, "web.service.service"), Verb::kRetrieve, kBilling).allowed);
    CHECK_FALSE(policy.decide(user(33, "worker@7.service"), Verb::kRetrieve, kBilling).allowed);
}

TEST_CASE("no name of a caller becomes a pattern") {
    const Policy policy = policy_of("[[allow]]\nname='own'\nanyone=true\nverbs='*'\naccounts=['@self','@owner']\n");
    const Caller star = user(1000, "*", {"*"});
    CHECK_FALSE(policy.decide(star, Verb::kRetrieve, object("user:alice")).allowed);
    CHECK_FALSE(policy.decide(kAlice, Verb::kRetrieve, object("app:x", {"user:*", "group:*", "unit:*"})).allowed);
    CHECK_FALSE(policy.decide(in_unit(star, "*"), Verb::kRetrieve, object("unit:web.service")).allowed);
}

TEST_CASE("what is wanted must lie within a rule's limits, and a later rule may be wider") {
    const Policy policy = policy_of(
        "[[allow]]\nname='narrow'\nanyone=true\nverbs='Create'\naccounts='app:billing'\n"
        "scopes=['repo:*','read']\nmax_expiry='90d'\n"
        "[[allow]]\nname='wide'\ngroup='ops'\nverbs='Create'\naccounts='app:billing'\nowners=true\n");
    constexpr std::uint64_t kDay = 86'400;
    const auto ask = [&](const Caller& caller, Wanted wanted) {
        return policy.decide(caller, Verb::kCreate, kBilling, wanted);
    };
    const Wanted within{.owners = false, .string = true, .scopes = {"repo:x", "read"}, .expires_in = 90 * kDay};
    CHECK(ask(kBob, within).rule == "narrow");
    CHECK(ask(kAlice, within).rule == "narrow");
    for (Wanted beyond : {Wanted{false, true, {"repo:x", "write"}, kDay}, Wanted{false, true, {"repo"}, kDay},
                          Wanted{false, true, {}, 90 * kDay + 1}, Wanted{false, true, {}, std::nullopt},
                          Wanted{true, true, {}, kDay}}) {
        const Decision refused = ask(kBob, beyond);
        CHECK_FALSE(refused.allowed);
        CHECK(refused.beyond_limits);
        CHECK(refused.rule == "default-deny");
        CHECK(ask(kAlice, beyond).rule == "wide");
    }
    // To change owners alone makes no string, so that its expiry does not count.
    CHECK(ask(kAlice, {.owners = true, .string = false, .scopes = {}, .expires_in = std::nullopt}).allowed);
    CHECK_FALSE(policy.decide(kBob, Verb::kRetrieve, kBilling).beyond_limits);
}

TEST_CASE("whoever may verify any token is told of unknown ones; any denial of one ends that") {
    const std::string any = "[[allow]]\nname='any'\ngroup='ops'\nverbs='Verify'\naccounts='*'\n";
    CHECK(policy_of(any).may_verify_any(kAlice));
    CHECK_FALSE(policy_of(any).may_verify_any(kBob));
    CHECK_FALSE(policy_of("[[allow]]\nname='some'\ngroup='ops'\nverbs='Verify'\naccounts='app:*'\n").may_verify_any(kAlice));
    CHECK_FALSE(policy_of("[[allow]]\nname='ci'\ngroup='ops'\nverbs='Verify'\naccounts='*'\ntokens='ci-*'\n").may_verify_any(kAlice));
    const std::string but = "[[deny]]\nname='but'\nuser='alice'\nverbs='Verify'\naccounts='app:billing'\n";
    CHECK_FALSE(policy_of(any + but).may_verify_any(kAlice));
}

TEST_CASE("root is uid 0, whatever it is called, and nobody else") {
    const Policy policy = policy_of("[[allow]]\nname='root'\nuser='root'\nverbs='Retrieve'\naccounts='*'\n");
    CHECK(policy.decide(user(0, "toor"), Verb::kRetrieve, kBilling).allowed);
    CHECK_FALSE(policy.decide(user(1000, "root"), Verb::kRetrieve, kBilling).allowed);
}

TEST_CASE("a name that stands for nobody in particular is not named by a rule") {
    const Policy policy = policy_of("[[allow]]\nname='x'\nuser=['svc','nobody']\nverbs='Retrieve'\naccounts='*'\n");
    CHECK_FALSE(policy.decide(user(61'184, "svc"), Verb::kRetrieve, kBilling).allowed);
    CHECK_FALSE(policy.decide(user(65'534, "nobody"), Verb::kRetrieve, kBilling).allowed);
    CHECK(policy.decide(user(1000, "svc"), Verb::kRetrieve, kBilling).allowed);
}

TEST_CASE("two rules of one name are refused, and both are named") {
    const std::string rule = "[[allow]]\nname='twice'\nanyone=true\nverbs='Verify'\naccounts='*'\n";
    const auto policy = Policy::of({{"a.toml", rule}, {"b.toml", "\n" + rule}});
    REQUIRE_FALSE(policy);
    CHECK(policy.error().message.starts_with("b.toml, line 2, column 1: "));
    CHECK(policy.error().message.find("a.toml, line 1") != std::string::npos);
}

TEST_CASE("two policies of the same files have one digest, and of others another") {
    const std::string rule = "[[allow]]\nname='x'\nanyone=true\nverbs='Verify'\naccounts='*'\n";
    CHECK(policy_of(rule).digest() == policy_of(rule).digest());
    CHECK(policy_of(rule).digest() != policy_of(rule + "\n").digest());
    CHECK(Policy::of({{"a", rule}, {"b", ""}}).value().digest() != Policy::of({{"a", ""}, {"b", rule}}).value().digest());
}

}  // namespace
}  // namespace hwvault::policy::deciding
