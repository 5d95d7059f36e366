// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Who is calling, and who was, as the service holds to it: a unit is one only as long as its process is in it, a user only
// with the uid that the account was made for, and who used a token last is remembered.
#include "tests/service/harness.h"

using namespace hwvault;
using namespace hwvault::service;

namespace {

policy::Caller in_unit(const std::string& unit) {
    policy::Caller caller = user("svc", 3000);
    caller.unit = unit;
    caller.invocation = std::string(32, 'a');
    return caller;
}

// An app: of one unit, with a token.
void give_to(Harness& vault, const std::string& unit) {
    vault::CreateOptions options;
    options.owners = std::vector<std::string>{"unit:" + unit};
    REQUIRE(vault.run(vault.service().create(vault.root, "app:billing", "", options)));
}

policy::Caller without_unit(policy::Caller caller) {
    caller.unit.reset();
    caller.invocation.clear();
    return caller;
}

}  // namespace

TEST_CASE("A unit whose process ends or moves between request and answer is refused what only the unit may") {
    Harness vault;
    give_to(vault, "billing.service");
    const policy::Caller billing = in_unit("billing.service");
    REQUIRE_FALSE(vault.get(billing, "app:billing").empty());
    const std::uint64_t lines = vault.service().status().audit_sequence;

    vault.users().as_it_is_now = without_unit;
    const auto refused = vault.run(vault.service().retrieve({billing}, "app:billing", ""));
    REQUIRE_FALSE(refused);
    CHECK(refused.error().code == ErrorCode::kAccessDenied);
    CHECK(vault.service().status().audit_sequence == lines);  // nothing was given, and nothing is said to have been

    // What the uid may without its unit, it still may.
    CHECK_FALSE(vault.get(user("svc", 3000)).empty());
    CHECK_FALSE(vault.get(billing).empty());
}

TEST_CASE("A caller that cannot be confirmed in time is told to try again, and is given nothing") {
    Harness vault;
    give_to(vault, "billing.service");
    int asked = 0;
    vault.users().as_it_is_now = [&asked](policy::Caller) -> Result<policy::Caller> {
        ++asked;
        return Error{ErrorCode::kBusy, "It could not be seen in time."};
    };
    const auto refused = vault.run(vault.service().retrieve({in_unit("billing.service")}, "app:billing", ""));
    CHECK(refused.error().code == ErrorCode::kBusy);
    CHECK(asked == 1);  // that takes its two seconds, and is not tried three times
}

TEST_CASE("a recycled uid") {
    Harness vault;
    const std::string text = vault.get(vault.alice);
    CHECK(vault.service().describe(vault.alice, "", "").value().uid == 1000U);
    const policy::Caller impostor = user("alice", 2000);
    vault.users().uids["alice"] = 2000;

    // The new user of the name is refused what the former one left, and told why and what to do.
    const auto refused = vault.run(vault.service().retrieve({impostor}, "", ""));
    CHECK(refused.error().code == ErrorCode::kAccessDenied);
    for (const char* part : {"user:alice belongs to uid 1000", "uid 2000", "administrator deletes"}) {
        CHECK(refused.error().message.find(part) != std::string::npos);
    }
    CHECK(vault.run(vault.service().revoke(impostor, "", "", 0)).error().code == ErrorCode::kAccessDenied);
    CHECK(vault.run(vault.service().erase(impostor, "", "")).error().code == ErrorCode::kAccessDenied);
    CHECK(vault.service().verify(impostor, bytes_of(text)).error().code == ErrorCode::kAccessDenied);
    CHECK(vault.service().describe(impostor, "", "").error().code == ErrorCode::kAccessDenied);
    for (const char* const account : {"", "user:alice"}) {
        CHECK(vault.run(vault.service().list(impostor, account, "", 0)).error().code == ErrorCode::kAccessDenied);
        CHECK(vault.service().watch(impostor, account).error().code == ErrorCode::kAccessDenied);
    }
    CHECK(vault.run(vault.service().list(impostor, "*", "", 0)).value().infos.empty());

    // An administrator sees that the uid on record is another, deletes what is left, and the name begins anew.
    CHECK(vault.run(vault.service().list(vault.root, "*", "", 0)).value().infos.at(0).uid == 1000U);
    CHECK(vault.run(vault.service().erase(vault.root, "user:alice", "")));
    CHECK(vault.get(impostor) != text);
    CHECK(vault.service().describe(impostor, "", "").value().uid == 2000U);
    CHECK_FALSE(vault.active(text));
}

TEST_CASE("What a user left who is no more, an administrator deletes and nobody else") {
    Harness vault;
    vault.get(vault.alice);
    vault.users().uids.erase("alice");
    CHECK(vault.run(vault.service().erase(vault.bob, "user:alice", "")).error().code == ErrorCode::kAccessDenied);
    CHECK(vault.run(vault.service().erase(vault.root, "user:alice", "")));
    CHECK(vault.run(vault.service().list(vault.root, "*", "", 0)).value().infos.empty());
}

TEST_CASE("Owners are told to those who may describe the account") {
    Harness vault;
    give_to(vault, "billing.service");
    const auto info = vault.service().describe(in_unit("billing.service"), "app:billing", "").value();
    CHECK(info.owners == std::vector<std::string>{"unit:billing.service"});
    CHECK_FALSE(info.uid);
    CHECK(vault.service().describe(vault.alice, "app:billing", "").error().code == ErrorCode::kAccessDenied);
}

TEST_CASE("Who retrieved a token last is told, and when it was verified") {
    Harness vault;
    give_to(vault, "billing.service");
    const policy::Caller billing = in_unit("billing.service");
    const auto last_use = [&](const std::string& account) { return vault.service().describe(vault.root, account, "").value(); };
    CHECK(last_use("app:billing").last_used_by.empty());
    const std::string text = vault.get(billing, "app:billing");
    CHECK(last_use("app:billing").last_used_by == "unit:billing.service");
    vault.now += 60;
    CHECK(vault.service().verify(vault.root, bytes_of(text)).value().active);
    CHECK(last_use("app:billing").last_used_at == vault.now);
    CHECK(last_use("app:billing").last_used_by.empty());  // of a verification it is not known
    vault.now += 60;
    vault.get(billing, "app:billing");
    CHECK(last_use("app:billing").last_used_by == "unit:billing.service");
}

TEST_CASE("Who retrieved a token last is known after a restart, from the audit trail; of a verification, when it was") {
    Harness vault;
    give_to(vault, "billing.service");
    const std::string text = vault.get(in_unit("billing.service"), "app:billing");
    vault.get(vault.alice);
    vault.restart();
    CHECK(vault.service().describe(vault.root, "app:billing", "").value().last_used_by == "unit:billing.service");
    vault.now += 60;
    CHECK(vault.service().verify(vault.root, bytes_of(text)).value().active);
    const vault::UnixTime verified_at = vault.now;
    vault.now += 60;
    vault.restart();
    const auto info = vault.service().describe(vault.root, "app:billing", "").value();
    CHECK(info.last_used_at == verified_at);
    CHECK(info.last_used_by.empty());
    CHECK(vault.service().describe(vault.alice, "", "").value().last_used_by == "user:alice");
    CHECK(vault.service().uses_remembered() == 2);
}

TEST_CASE("A token that was deleted and made anew was not used by who used its predecessor") {
    Harness vault;
    vault.get(vault.alice);
    SECTION("in the same second") {}
    SECTION("later") { vault.now += 60; }
    REQUIRE(vault.run(vault.service().erase(vault.alice, "", "")));
    REQUIRE(vault.run(vault.service().create(vault.alice, "", "", {})));
    CHECK(vault.service().describe(vault.alice, "", "").value().last_used_at == 0);
    vault.restart();
    CHECK(vault.service().describe(vault.alice, "", "").value().last_used_at == 0);
    CHECK(vault.service().uses_remembered() == 0);
}
