// SPDX-License-Identifier: LGPL-2.1-or-later
#include "daemon/service/limiter.h"

#include <vector>

#include "tests/catch.h"

using namespace hwvault;
using hwvault::service::Limiter;

TEST_CASE("One uid cannot take every place, and gives its places back") {
    Limiter limiter;
    {
        std::vector<Limiter::Place> places;
        for (unsigned i = 0; i < Limiter::kMaxWaitingOfUid; ++i) places.push_back(limiter.enter(1000).value());
        CHECK(limiter.enter(1000).error().code == ErrorCode::kBusy);
        CHECK(limiter.enter(1001));
    }
    CHECK(limiter.enter(1000));
}

TEST_CASE("Accounts are made by first use no faster than the limit") {
    Limiter limiter;
    const Limiter::Time start{std::chrono::hours(1)};
    std::uint32_t uid = 1000;
    for (int i = 0; i < static_cast<int>(Limiter::kFirstUsesAtOnce); ++i) REQUIRE(limiter.first_use(uid++, start));
    CHECK(limiter.first_use(uid++, start).error().code == ErrorCode::kBusy);
    CHECK(limiter.first_use(uid++, start + std::chrono::seconds(1)));
}

TEST_CASE("One uid cannot use up what others need for their first use") {
    Limiter limiter;
    const Limiter::Time start{std::chrono::hours(1)};
    for (int i = 0; i < static_cast<int>(Limiter::kFirstUsesOfUidAtOnce); ++i) REQUIRE(limiter.first_use(1000, start));
    for (int i = 0; i < static_cast<int>(Limiter::kFirstUsesAtOnce); ++i) {
        CHECK(limiter.first_use(1000, start).error().code == ErrorCode::kBusy);
    }
    CHECK(limiter.first_use(1001, start));
    const Limiter::Time later = start + std::chrono::seconds(6);
    CHECK(limiter.first_use(1000, later));
    CHECK(limiter.first_use(1000, later).error().code == ErrorCode::kBusy);
    for (int i = 0; i < static_cast<int>(Limiter::kFirstUsesOfUidAtOnce); ++i) {
        CHECK(limiter.first_use(1000, later + std::chrono::minutes(2)));
    }
}
