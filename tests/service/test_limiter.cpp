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
    for (int i = 0; i < static_cast<int>(Limiter::kFirstUsesAtOnce); ++i) REQUIRE(limiter.first_use(start));
    CHECK(limiter.first_use(start).error().code == ErrorCode::kBusy);
    CHECK(limiter.first_use(start + std::chrono::seconds(1)));
}
