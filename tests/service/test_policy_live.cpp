// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Rules are asked live: a permission that is withdrawn while a call is under way is not used, a broken set of rules
// changes nothing, and what a rule allows at most is all that is given.
#include <string>

#include "tests/service/harness.h"

using namespace hwvault;
using namespace hwvault::service;

namespace {

using Rules = Result<std::shared_ptr<const policy::Policy>>;

Rules rules_of(const std::vector<policy::Source>& sources) {
    HWVAULT_TRY(policy::Policy rules, policy::Policy::of(sources));
    return std::make_shared<const policy::Policy>(std::move(rules));
}

policy::Source shipped() { return {"50-default.toml", std::string(policy::default_rules())}; }

// The shipped rules, and these after them.
Rules also(const std::string& text) { return rules_of({shipped(), {"60-more.toml", text}}); }

Rules denying(const std::string& user, const std::string& verb) {
    return also("[[deny]]\nname='no-more'\nuser='" + user + "'\nverbs='" + verb + "'\naccounts='*'\n");
}

// A commit of somebody else's that waits for the store until the promise is kept; what comes now waits for the next.
struct Held {
    std::promise<void> released;
    std::shared_ptr<std::optional<Result<vault::Info>>> other;
};
Held hold_commit(Harness& vault) {
    Held held{.released = vault.hold_store(), .other = {}};
    held.other = vault.begin(vault.service().create(vault.bob, "", "held", {}));
    vault.poll();
    return held;
}

template <class T>
ErrorCode code_of(const Result<T>& outcome) {
    REQUIRE_FALSE(outcome);
    return outcome.error().code;
}

// The seconds in "Try again in N s.", with which the message ends.
int told_wait(const std::string& message) {
    const std::string words = "Try again in ";
    const auto at = message.rfind(words);
    REQUIRE(at != std::string::npos);
    const int seconds = std::stoi(message.substr(at + words.size()));
    CHECK(message.ends_with(words + std::to_string(seconds) + " s."));
    return seconds;
}

vault::CreateOptions options(std::vector<std::string> scopes, std::optional<std::uint64_t> expires_in) {
    vault::CreateOptions made;
    made.scopes = std::move(scopes);
    made.expires_in = expires_in;
    return made;
}

SecretBytes secret() { return SecretBytes::copy_of(bytes_of("third party's")); }

}  // namespace

TEST_CASE("A permission that is withdrawn while the device derives is not used") {
    Harness vault;
    vault.get(vault.alice);
    vault.device().before_derive = [&] { vault.service().set_policy(denying("alice", "Retrieve")); };
    CHECK(code_of(vault.run(vault.service().retrieve({vault.alice}, "", ""))) == ErrorCode::kAccessDenied);
    vault.service().set_policy(rules_of({shipped()}));
    CHECK(vault.run(vault.service().retrieve({vault.alice}, "", "")));
}

TEST_CASE("A permission that is withdrawn while the device unseals a secret is not used") {
    Harness vault;
    REQUIRE(vault.run(vault.service().import(vault.alice, "", "third", secret(), {})));
    vault.device().before_derive = [&] { vault.service().set_policy(denying("alice", "Retrieve")); };
    CHECK(code_of(vault.run(vault.service().retrieve({vault.alice}, "", "third"))) == ErrorCode::kAccessDenied);
}

TEST_CASE("A permission that is withdrawn while a first string waits for its commit is not used") {
    Harness vault;
    REQUIRE(vault.run(vault.service().create(vault.alice, "", "ci", {})));
    Held held = hold_commit(vault);
    bool derived = false;
    vault.device().before_derive = [&] { derived = true; };
    const auto retrieved = vault.begin(vault.service().retrieve({vault.alice}, "", "ci"));
    vault.until([&] { return derived; });
    vault.poll();
    vault.service().set_policy(denying("alice", "Retrieve"));
    held.released.set_value();
    vault.until([&] { return retrieved->has_value(); });
    CHECK(code_of(**retrieved) == ErrorCode::kAccessDenied);
}

TEST_CASE("A change that waits for its commit is refused when its permission is withdrawn meanwhile") {
    Harness vault;
    const std::string token = vault.get(vault.alice);
    Held held = hold_commit(vault);
    const auto revoked = vault.begin(vault.service().revoke(vault.alice, "", "", 0));
    vault.poll();
    REQUIRE_FALSE(revoked->has_value());
    vault.service().set_policy(denying("alice", "Revoke"));
    held.released.set_value();
    vault.until([&] { return revoked->has_value() && held.other->has_value(); });
    CHECK(code_of(**revoked) == ErrorCode::kAccessDenied);
    CHECK((*held.other)->has_value());
    CHECK(vault.active(token));
}

TEST_CASE("Verify, Describe and List are answered by the rules in force") {
    Harness vault;
    const std::string token = vault.get(vault.alice);
    REQUIRE(vault.service().verify(vault.alice, bytes_of(token)).value().active);
    vault.service().set_policy(also(
        "[[deny]]\nname='no-look'\nuser=['alice','root']\nverbs=['Verify','Describe']\naccounts='user:*'\n"));
    CHECK(code_of(vault.service().verify(vault.alice, bytes_of(token))) == ErrorCode::kAccessDenied);
    CHECK(code_of(vault.service().verify(vault.root, bytes_of(token))) == ErrorCode::kAccessDenied);
    CHECK(code_of(vault.service().describe(vault.alice, "", "")) == ErrorCode::kAccessDenied);
    CHECK(vault.run(vault.service().list(vault.alice, "*", "", 0)).value().infos.empty());
}

TEST_CASE("A refusal tells the rule to administrators alone") {
    Harness vault;
    vault.service().set_policy(also("[[deny]]\nname='nobody'\nanyone=true\nverbs='Revoke'\naccounts='*'\n"));
    const auto told = [&](const policy::Caller& caller) {
        const auto refused = vault.run(vault.service().revoke(caller, "user:alice", "", 0));
        REQUIRE(code_of(refused) == ErrorCode::kAccessDenied);
        return refused.error().message.find("The rule that decided: nobody") != std::string::npos;
    };
    CHECK_FALSE(told(vault.alice));
    CHECK(told(vault.root));
}

TEST_CASE("Rules that are broken leave those before in force, and Status says where they are") {
    Harness vault;
    const std::string token = vault.get(vault.alice);
    vault.service().set_policy(denying("bob", "Retrieve"));
    const Status before = vault.service().status();
    CHECK(before.reload_error.empty());
    vault.service().set_policy(also("[[allow]]\nname='x'\nanyone=true\nverbs='*'\nacounts='*'\n"));
    const Status after = vault.service().status();
    CHECK(after.reload_error.starts_with("60-more.toml, line 5, column 1: "));
    CHECK(after.policy_digest == before.policy_digest);
    CHECK(vault.get(vault.alice) == token);
    CHECK(code_of(vault.run(vault.service().retrieve({vault.bob}, "", ""))) == ErrorCode::kAccessDenied);
    vault.service().set_policy(rules_of({shipped()}));
    CHECK(vault.service().status().reload_error.empty());
    CHECK(vault.service().status().policy_digest != before.policy_digest);
}

TEST_CASE("A rule's rate is each unit's and each user's own, and a refusal says when to try again") {
    Harness vault;
    vault.service().set_policy(rules_of({{"10.toml",
                                          "[[allow]]\nname='some'\nanyone=true\nverbs='Retrieve'\naccounts='@self'\n"
                                          "rate='2/minute'\n[[allow]]\nname='make'\nanyone=true\nverbs='Create'\n"
                                          "accounts='@self'\nrate='1/day'\n"}}));
    const auto retrieve = [&](const policy::Caller& caller) { return vault.run(vault.service().retrieve({caller}, "", "")); };
    policy::Caller in_unit = vault.alice;
    in_unit.unit = "billing.service";
    const auto began = std::chrono::steady_clock::now();
    CHECK(retrieve(vault.alice));
    CHECK(retrieve(vault.alice));
    const auto third = retrieve(vault.alice);
    const std::chrono::duration<double> elapsed = std::chrono::steady_clock::now() - began;
    CHECK(code_of(third) == ErrorCode::kBusy);
    const int wait = told_wait(third.error().message);
    CHECK(wait <= 30);
    CHECK(wait >= 30 - elapsed.count());
    CHECK(retrieve(vault.bob));
    CHECK(retrieve(in_unit));
    CHECK(retrieve(in_unit));
    CHECK(code_of(retrieve(in_unit)) == ErrorCode::kBusy);
    in_unit.unit = "other.service";
    CHECK(retrieve(in_unit));
    // The first use made alice's `default`, and that counted as the Retrieve that it was.
    CHECK(vault.run(vault.service().create(vault.alice, "", "ci", {})));
    CHECK(code_of(vault.run(vault.service().create(vault.alice, "", "cd", {}))) == ErrorCode::kBusy);
}

TEST_CASE("A Retrieve that begins again, since the token changed meanwhile, counts once") {
    Harness vault;
    vault.get(vault.alice);
    vault.service().set_policy(rules_of(
        {{"10.toml", "[[allow]]\nname='some'\nanyone=true\nverbs='Retrieve'\naccounts='@self'\nrate='2/day'\n"
                     "[[allow]]\nname='rest'\nanyone=true\nverbs='Revoke'\naccounts='@self'\n"}}));
    bool changed = false;
    vault.device().before_derive = [&] {
        const auto revoked = vault.begin(vault.service().revoke(vault.alice, "", "", 0));
        while (!revoked->has_value()) vault.poll();
        changed = true;
    };
    CHECK(vault.run(vault.service().retrieve({vault.alice}, "", "")));
    CHECK(changed);
    CHECK(vault.run(vault.service().retrieve({vault.alice}, "", "")));
    CHECK(code_of(vault.run(vault.service().retrieve({vault.alice}, "", ""))) == ErrorCode::kBusy);
}

TEST_CASE("Create and Import give no more than a rule's limits") {
    Harness vault;
    constexpr std::uint64_t kDay = 86'400;
    vault.service().set_policy(also(
        "[[allow]]\nname='ci'\nuser='alice'\nverbs=['Create','Import']\naccounts='app:*'\n"
        "scopes=['repo:*']\nmax_expiry='1d'\nrate='100/second'\n"));
    vault::CreateOptions owned = options({}, kDay);
    owned.owners = {"user:bob"};
    REQUIRE(vault.run(vault.service().create(vault.root, "app:shop", "first", owned)));
    const auto create = [&](const std::string& name, vault::CreateOptions wanted) {
        return vault.run(vault.service().create(vault.alice, "app:shop", name, std::move(wanted)));
    };
    const auto import = [&](const std::string& name, vault::CreateOptions wanted) {
        return vault.run(vault.service().import(vault.alice, "app:shop", name, secret(), std::move(wanted)));
    };
    vault::CreateOptions owners = options({"repo:x"}, kDay);
    owners.owners = {"user:alice"};
    for (const auto& beyond : {options({"admin"}, kDay), options({"repo:x"}, kDay + 1), options({"repo:x"}, std::nullopt),
                               vault::CreateOptions{}, owners}) {
        const auto made = create("a", beyond);
        CHECK(code_of(made) == ErrorCode::kAccessDenied);
        CHECK(made.error().message.find("with these scopes, this expiry or these owners") != std::string::npos);
        CHECK(code_of(import("b", beyond)) == ErrorCode::kAccessDenied);
    }
    CHECK(create("a", options({"repo:x"}, kDay)));
    CHECK(import("b", options({"repo:x"}, kDay)));
}

TEST_CASE("Owners alone make no string, also when the account goes before their turn") {
    Harness vault;
    vault.service().set_policy(also(
        "[[allow]]\nname='apps'\nuser='alice'\nverbs='Create'\naccounts='app:*'\nmax_expiry='1d'\nowners=true\n"));
    vault::CreateOptions owners;
    owners.owners = {"user:bob"};
    const auto change_owners = [&] { return vault.service().create(vault.alice, "app:shop", "ci", owners); };
    CHECK(code_of(vault.run(change_owners())) == ErrorCode::kAccessDenied);  // a string that never ends
    vault::CreateOptions whole = options({}, 60);
    whole.owners = {"user:alice"};
    REQUIRE(vault.run(vault.service().create(vault.alice, "app:shop", "ci", whole)));
    REQUIRE(vault.run(change_owners()));

    Held held = hold_commit(vault);
    const auto erased = vault.begin(vault.service().erase(vault.root, "app:shop", "ci"));
    vault.poll();
    const auto changed = vault.begin(change_owners());
    vault.poll();
    held.released.set_value();
    vault.until([&] { return erased->has_value() && changed->has_value(); });
    CHECK((*erased)->has_value());
    CHECK_FALSE((*changed)->has_value());
}
