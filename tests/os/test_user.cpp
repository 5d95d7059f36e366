// SPDX-License-Identifier: LGPL-2.1-or-later
#include "os/user.h"

#include <algorithm>

#include "tests/catch.h"

using namespace hwvault;

TEST_CASE("A user is found with its uid and its groups") {
    const auto root = os::find_user("root");
    REQUIRE(root);
    CHECK(root->uid == 0);
    CHECK(std::ranges::find(root->groups, "root") != root->groups.end());
}

TEST_CASE("A user that is not there is not found") {
    CHECK(os::find_user("no-such-user-here").error().code == ErrorCode::kNotFound);
    CHECK(os::find_user("").error().code == ErrorCode::kNotFound);
}
