// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What systemctl prints, as it was recorded: that of systemd 252 and that of 257 have the same form.
#include "cli/service_manager.h"

#include "tests/catch.h"

namespace hwvault::cli {
namespace {

constexpr std::string_view kShown =
    "Id=billing.service\nLoadState=loaded\nActiveState=activating\nUnitFileState=static\nCanReload=no\n"
    "\n"
    "Id=nothing.service\nLoadState=not-found\nActiveState=inactive\nUnitFileState=\nCanReload=no\n"
    "\n"
    "Id=dbus.service\nLoadState=loaded\nActiveState=active\nUnitFileState=static\nCanReload=yes\n";

}  // namespace

TEST_CASE("each block that systemctl shows is a unit") {
    const auto states = parse_unit_states(kShown);
    REQUIRE(states.size() == 3);
    CHECK(states[0].name == "billing.service");
    CHECK(states[0].is_on_its_way());
    CHECK_FALSE(states[0].can_reload);
    CHECK(states[1].load == "not-found");
    CHECK(states[1].file.empty());
    CHECK_FALSE(states[1].is_up());
    CHECK(states[2].can_reload);
    CHECK(states[2].is_up());
    CHECK_FALSE(states[2].is_on_its_way());
}

TEST_CASE("what systemctl does not print is no unit") {
    CHECK(parse_unit_states("").empty());
    CHECK(parse_unit_states("\n\n").empty());
    CHECK(parse_unit_states("Id").size() == 1);
    CHECK(parse_unit_states("=").size() == 1);
}

TEST_CASE("a unit that failed is not up") {
    UnitState state;
    state.active = "failed";
    CHECK_FALSE(state.is_up());
    state.active = "deactivating";
    CHECK(state.is_up());
}

TEST_CASE("why a unit failed is the last of its errors") {
    CHECK(last_line_of("The PIN was rejected.\nInternal: The disk is full.\n") == "Internal: The disk is full.");
    CHECK(last_line_of("one") == "one");
    CHECK(last_line_of("").empty());
}

}  // namespace hwvault::cli
