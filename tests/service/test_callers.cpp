// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Who is calling, as the service holds to it: a unit is one only as long as its process is in it.
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
