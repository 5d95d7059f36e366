// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The shipped rules as one table: each kind of caller, on each kind of account, for each verb.
#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include "policy/files/files.h"
#include "tests/catch.h"
#include "tests/policy/rules.h"

namespace hwvault::policy::by_default {
namespace {

using vault::Verb;

const Caller kAlice = user(1000, "alice", {"alice", "staff"});
const Caller kBob = user(1001, "bob", {"bob"});
const Caller kOps = user(1002, "oscar", {"oscar", "ops"});
const Caller kRoot = user(0, "root", {"root"});
const Caller kAdmin = user(1003, "anna", {"anna", "hwvault-admin"});
const Caller kVerifier = user(1004, "vera", {"vera", "hwvault-verify"});
const Caller kNobody{};  // uid 65534, no name, no group, no unit

const Caller kWebUnit = in_unit(user(33, "www-data", {"www-data"}), "web.service");
// A dynamic user's service: no user's name, but a unit.
const Caller kDynamicUnit{
    .uid = 61500, .user = std::nullopt, .groups = {}, .unit = "web.service", .invocation = "", .executable = ""};

const Policy kShipped = Policy::of({{kDefaultFile, std::string(default_rules())}}).value();

Decision decide(const Caller& caller, Verb verb, const Object& object, const Wanted& wanted = {}) {
    return kShipped.decide(caller, verb, object, wanted);
}

const Object kAlices = object("user:alice");
const Object kWebs = object("unit:web.service");
const Object kShop = object("app:shop", {"group:ops", "unit:web.service", "user:alice"});
const Object kNewApp = object("app:new");

const std::vector<Verb> kAboutATokenOfAnAccount{Verb::kRetrieve, Verb::kRevoke, Verb::kRotate, Verb::kVerify,
                                                Verb::kCreate,   Verb::kImport, Verb::kDelete, Verb::kDescribe};

// One letter for each of those verbs, in that order; a letter where it is allowed, `-` where it is not:
// r(etrieve) k(ill: revoke) o (rotate) v(erify) c(reate) i(mport) d(elete) t (describe).
std::string allowed(const Caller& caller, const Object& object) {
    constexpr std::string_view kLetters = "rkovcidt";
    std::string row;
    for (std::size_t i = 0; i < kLetters.size(); ++i) {
        row += decide(caller, kAboutATokenOfAnAccount[i], object).allowed ? kLetters[i] : '-';
    }
    return row;
}

struct Row {
    const char* who;
    Caller caller;
    Object object;
    const char* verbs;
};

TEST_CASE("Who may do what, by the contract's default rules") {
    const auto row = GENERATE(
        // Your own account is yours; nobody else's is.
        Row{"alice on her own", kAlice, kAlices, "rkovcidt"},
        Row{"bob on alice's", kBob, kAlices, "--------"},
        Row{"ops on alice's", kOps, kAlices, "--------"},
        Row{"a unit on alice's", kWebUnit, kAlices, "--------"},
        Row{"a verifier on alice's", kVerifier, kAlices, "---v----"},
        Row{"nobody on alice's", kNobody, kAlices, "--------"},
        // Administrators manage, do not read, and do not slip a secret into a person's account.
        Row{"root on alice's", kRoot, kAlices, "-kovc-dt"},
        Row{"an administrator on alice's", kAdmin, kAlices, "-kovc-dt"},
        Row{"root on its own", kRoot, object("user:root"), "rkovcidt"},
        Row{"an administrator on her own", kAdmin, object("user:anna"), "rkovcidt"},
        Row{"root on a user that is not there", kRoot, object("user:nobody"), "-kovc-dt"},
        // A unit's account is the unit's, whoever it runs as.
        Row{"the unit on its own", kWebUnit, kWebs, "rkovcidt"},
        Row{"the unit with a dynamic user on its own", kDynamicUnit, kWebs, "rkovcidt"},
        Row{"another unit", in_unit(kWebUnit, "other.service"), kWebs, "--------"},
        Row{"the unit's user outside of the unit", user(33, "www-data"), kWebs, "--------"},
        Row{"the unit's user on the user's account", kWebUnit, object("user:www-data"), "rkovcidt"},
        Row{"alice on a unit's", kAlice, kWebs, "--------"},
        Row{"an administrator on a unit's", kAdmin, kWebs, "-kovcidt"},
        Row{"root on a unit's", kRoot, kWebs, "-kovcidt"},
        Row{"a verifier on a unit's", kVerifier, kWebs, "---v----"},
        // An app is its owners': by user, by group, by unit.
        Row{"an owner by name", kAlice, kShop, "rkovcidt"},
        Row{"an owner by group", kOps, kShop, "rkovcidt"},
        Row{"an owner by unit", kWebUnit, kShop, "rkovcidt"},
        Row{"an owner by unit with a dynamic user", kDynamicUnit, kShop, "rkovcidt"},
        Row{"no owner", kBob, kShop, "--------"},
        Row{"a verifier on an app's", kVerifier, kShop, "---v----"},
        Row{"an administrator on an app's", kAdmin, kShop, "-kovcidt"},
        Row{"root on an app's", kRoot, kShop, "-kovcidt"},
        Row{"nobody on an app's", kNobody, kShop, "--------"},
        // An app that is not there yet belongs to nobody, so only an administrator makes it.
        Row{"alice on a new app", kAlice, kNewApp, "--------"},
        Row{"a unit on a new app", kWebUnit, kNewApp, "--------"},
        Row{"an administrator on a new app", kAdmin, kNewApp, "-kovcidt"});
    INFO(row.who);
    CHECK(allowed(row.caller, row.object) == row.verbs);
}

TEST_CASE("Whoever finds a token may kill it") {
    const Caller caller = GENERATE(kAlice, kRoot, kVerifier, kNobody, kDynamicUnit);
    for (const Object& object : {kAlices, kWebs, kShop, kNewApp}) {
        CHECK(decide(caller, Verb::kRevokeToken, object).allowed);
    }
}

TEST_CASE("Only administrators name owners, also of an app that is yours") {
    const Wanted owners{.owners = true, .string = true, .scopes = {}, .expires_in = std::nullopt};
    for (const Verb verb : {Verb::kCreate, Verb::kImport}) {
        for (const Caller& caller : {kAlice, kOps, kWebUnit, kBob, kVerifier, kNobody}) {
            CHECK_FALSE(decide(caller, verb, kShop, owners).allowed);
            CHECK_FALSE(decide(caller, verb, kNewApp, owners).allowed);
        }
        for (const Caller& caller : {kRoot, kAdmin}) {
            CHECK(decide(caller, verb, kShop, owners).allowed);
            CHECK(decide(caller, verb, kNewApp, owners).allowed);
        }
    }
}

TEST_CASE("A caller without a name, or whose uid is nobody's, has no account and owns nothing by name") {
    Caller nameless = kAlice;
    nameless.user.reset();
    Caller nobody = user(65534, "alice", {});
    Caller dynamic = user(61184, "alice", {});
    for (const Caller& caller : {nameless, nobody, dynamic, kNobody}) {
        CHECK_FALSE(own_account(caller));
        CHECK_FALSE(decide(caller, Verb::kRetrieve, kAlices).allowed);
        CHECK_FALSE(decide(caller, Verb::kRetrieve, object("app:x", {"user:alice"})).allowed);
    }
    CHECK(decide(nameless, Verb::kRetrieve, object("app:x", {"group:staff"})).allowed);
}

TEST_CASE("The own account is the user's") {
    CHECK(own_account(kAlice)->text() == "user:alice");
    CHECK(own_account(kRoot)->text() == "user:root");
    CHECK(own_account(kWebUnit)->text() == "user:www-data");
    // A name outside the grammar, as a directory may have it, has none; it is never bent into one.
    CHECK_FALSE(own_account(user(1000, "alice smith")));
    CHECK_FALSE(own_account(user(1000, "alice/../bob")));
    CHECK_FALSE(own_account(user(1000, "*")));
    CHECK_FALSE(own_account(user(1000, "")));
}

TEST_CASE("Names are compared whole and as they are") {
    CHECK_FALSE(decide(user(1, "alic"), Verb::kRetrieve, kAlices).allowed);
    CHECK_FALSE(decide(user(1, "alice2"), Verb::kRetrieve, kAlices).allowed);
    CHECK_FALSE(decide(user(1, "Alice"), Verb::kRetrieve, kAlices).allowed);
    // A group of the user's name is not the user, nor the other way round; a unit's name is neither.
    CHECK_FALSE(decide(user(1, "x", {"alice"}), Verb::kRetrieve, kAlices).allowed);
    CHECK_FALSE(decide(user(1, "ops"), Verb::kRetrieve, kShop).allowed);
    CHECK_FALSE(decide(user(1, "web.service", {"web.service"}), Verb::kRetrieve, kWebs).allowed);
    CHECK_FALSE(decide(user(1, "x", {"hwvault-admins", "hwvault"}), Verb::kRevoke, kAlices).allowed);
    // What is no principal matches nobody.
    CHECK_FALSE(decide(kAlice, Verb::kRetrieve, object("app:x", {"alice", "", ":", "user:", "anyone:alice"})).allowed);
}

TEST_CASE("Administrators are root and hwvault-admin; they and hwvault-verify verify any token") {
    CHECK(is_administrator(kRoot));
    CHECK(is_administrator(kAdmin));
    CHECK_FALSE(is_administrator(kVerifier));
    CHECK_FALSE(is_administrator(kAlice));
    CHECK_FALSE(is_administrator(user(1, "root")));
    CHECK_FALSE(is_administrator(user(1, "hwvault-admin")));
    CHECK(kShipped.may_verify_any(kRoot));
    CHECK(kShipped.may_verify_any(kAdmin));
    CHECK(kShipped.may_verify_any(kVerifier));
    CHECK_FALSE(kShipped.may_verify_any(kAlice));
    CHECK_FALSE(kShipped.may_verify_any(kNobody));
}

TEST_CASE("A decision names the rule that made it") {
    CHECK(decide(kAlice, Verb::kRetrieve, kAlices).rule == "own-account");
    CHECK(decide(kWebUnit, Verb::kRetrieve, kWebs).rule == "own-account");
    CHECK(decide(kOps, Verb::kRetrieve, kShop).rule == "app-owner");
    CHECK(decide(kAdmin, Verb::kRevoke, kAlices).rule == "administrator");
    CHECK(decide(kVerifier, Verb::kVerify, kAlices).rule == "verifier");
    CHECK(decide(kBob, Verb::kRevokeToken, kAlices).rule == "whoever-finds-a-token");
    CHECK(decide(kBob, Verb::kRetrieve, kAlices).rule == "default-deny");
    CHECK(decide(kRoot, Verb::kRetrieve, kAlices).rule == "default-deny");
}

TEST_CASE("What no rule may name is allowed by none") {
    for (const Verb verb : {Verb::kList, Verb::kStatus, Verb::kWatch, Verb::kRecover}) {
        CHECK_FALSE(decide(kRoot, verb, kAlices).allowed);
    }
}

TEST_CASE("The shipped rules fit on one screen") {
    CHECK(std::ranges::count(default_rules(), '\n') <= 60);
}

}  // namespace
}  // namespace hwvault::policy::by_default
