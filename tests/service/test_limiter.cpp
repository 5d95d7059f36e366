// SPDX-License-Identifier: LGPL-2.1-or-later
#include "daemon/service/limiter.h"

#include <string>
#include <vector>

#include "tests/catch.h"

using namespace hwvault;
using hwvault::service::Limiter;

TEST_CASE("One party cannot take every place, and gives its places back") {
    Limiter limiter;
    {
        std::vector<Limiter::Place> places;
        for (unsigned i = 0; i < Limiter::kMaxWaitingOfParty; ++i) places.push_back(limiter.enter("uid:0").value());
        CHECK(limiter.enter("uid:0").error().code == ErrorCode::kBusy);
        CHECK(limiter.enter("uid:1001"));
        CHECK(limiter.enter("unit:billing.service"));  // of the same uid, say
    }
    CHECK(limiter.enter("uid:0"));
}

TEST_CASE("Accounts are made by first use no faster than the limit") {
    Limiter limiter;
    const Limiter::Time start{std::chrono::hours(1)};
    int uid = 1000;
    const auto another = [&uid] { return "uid:" + std::to_string(uid++); };
    for (int i = 0; i < static_cast<int>(Limiter::kFirstUsesAtOnce); ++i) REQUIRE(limiter.first_use(another(), start));
    CHECK(limiter.first_use(another(), start).error().code == ErrorCode::kBusy);
    CHECK(limiter.first_use(another(), start + std::chrono::seconds(1)));
}

TEST_CASE("One party cannot use up what others need for their first use") {
    Limiter limiter;
    const Limiter::Time start{std::chrono::hours(1)};
    const std::string billing = "unit:billing.service";
    for (int i = 0; i < static_cast<int>(Limiter::kFirstUsesOfPartyAtOnce); ++i) REQUIRE(limiter.first_use(billing, start));
    for (int i = 0; i < static_cast<int>(Limiter::kFirstUsesAtOnce); ++i) {
        CHECK(limiter.first_use(billing, start).error().code == ErrorCode::kBusy);
    }
    CHECK(limiter.first_use("unit:shop.service", start));
    const Limiter::Time later = start + std::chrono::seconds(6);
    CHECK(limiter.first_use(billing, later));
    CHECK(limiter.first_use(billing, later).error().code == ErrorCode::kBusy);
    for (int i = 0; i < static_cast<int>(Limiter::kFirstUsesOfPartyAtOnce); ++i) {
        CHECK(limiter.first_use(billing, later + std::chrono::minutes(2)));
    }
}

TEST_CASE("A rule is used as often as its rate says, and by each on its own") {
    Limiter limiter;
    const Limiter::Time start{std::chrono::hours(1)};
    const policy::Rate rate{.calls = 3, .seconds = 60};
    for (int i = 0; i < 3; ++i) REQUIRE(limiter.use_rule("ci uid:1000", rate, start));
    const auto refused = limiter.use_rule("ci uid:1000", rate, start);
    REQUIRE_FALSE(refused);
    CHECK(refused.error().code == ErrorCode::kBusy);
    CHECK(refused.error().message.ends_with("Try again in 20 s."));
    CHECK(limiter.use_rule("ci uid:1001", rate, start));
    CHECK(limiter.use_rule("cd uid:1000", rate, start));
    // A refusal counts for nothing, and what flows in is what the rate says.
    const Limiter::Time later = start + std::chrono::seconds(20);
    CHECK(limiter.use_rule("ci uid:1000", rate, later));
    CHECK_FALSE(limiter.use_rule("ci uid:1000", rate, later));
}

TEST_CASE("A rule whose rate was changed begins anew with the new one") {
    Limiter limiter;
    const Limiter::Time start{std::chrono::hours(1)};
    REQUIRE(limiter.use_rule("ci uid:1000", {.calls = 1, .seconds = 3'600}, start));
    REQUIRE_FALSE(limiter.use_rule("ci uid:1000", {.calls = 1, .seconds = 3'600}, start));
    CHECK(limiter.use_rule("ci uid:1000", {.calls = 1, .seconds = 60}, start));
    CHECK_FALSE(limiter.use_rule("ci uid:1000", {.calls = 1, .seconds = 60}, start));
    CHECK(limiter.use_rule("ci uid:1000", {.calls = 2, .seconds = 60}, start));
}

TEST_CASE("Who has used up a rule is not forgotten when many others come, and these are in the end") {
    Limiter limiter;
    const Limiter::Time start{std::chrono::hours(1)};
    const policy::Rate slow{.calls = 1, .seconds = 86'400};
    const policy::Rate quick{.calls = 1, .seconds = 1};
    REQUIRE(limiter.use_rule("slow", slow, start));
    for (int i = 0; i < 10'000; ++i) {
        REQUIRE(limiter.use_rule(std::to_string(i), quick, start + std::chrono::seconds(i)));
        REQUIRE(limiter.rules_remembered() <= 200);
    }
    CHECK_FALSE(limiter.use_rule("slow", slow, start + std::chrono::seconds(10'000)));
}
