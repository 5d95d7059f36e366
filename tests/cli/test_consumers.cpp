// SPDX-License-Identifier: LGPL-2.1-or-later
#include "cli/consumers.h"

#include "tests/catch.h"

namespace hwvault::cli {
namespace {

const UnitCredential kMapped{"billing.service", "api", "app:shared", "ci"};

}  // namespace

TEST_CASE("a unit that loads what is mapped is handed the mapped token") {
    const auto consumers = consumers_of({kMapped}, {{"billing.service", {"api"}}});
    REQUIRE(consumers.size() == 1);
    CHECK(consumers[0].account == "app:shared");
    CHECK(consumers[0].name == "ci");
    CHECK(consumers[0].mapped);
    CHECK(consumers[0].loads);
    CHECK(note_of(consumers[0]).empty());
}

TEST_CASE("a credential without a mapping is the default of the unit's own account, and that is said") {
    const auto consumers = consumers_of({kMapped}, {{"billing.service", {"api", "other"}}, {"web.service", {"api"}}});
    REQUIRE(consumers.size() == 3);
    CHECK(consumers[1].account == "unit:billing.service");
    CHECK(consumers[1].name == "default");
    CHECK(consumers[2].account == "unit:web.service");
    CHECK(note_of(consumers[2]).find("no [credential]") == 0);
}

TEST_CASE("a mapping that the unit does not load is said") {
    const auto consumers = consumers_of({kMapped}, {{"billing.service", {"apo"}}});
    REQUIRE(consumers.size() == 2);
    CHECK_FALSE(consumers[0].loads);
    CHECK(note_of(consumers[0]).find("LoadCredential=api:/run/hwvault/credential.sock") != std::string::npos);
}

TEST_CASE("the units of a token are those that load it, each once, and no others") {
    const UnitCredential twice{"billing.service", "second", "app:shared", "ci"};
    const UnitCredential other{"web.service", "api", "app:shared", "deploy"};
    const UnitCredential unloaded{"idle.service", "api", "app:shared", "ci"};
    const auto consumers = consumers_of({kMapped, twice, other, unloaded},
                                        {{"billing.service", {"api", "second"}}, {"web.service", {"api"}}, {"x.service", {"api"}}});
    CHECK(units_that_load(consumers, "app:shared", "ci") == std::vector<std::string>{"billing.service"});
    CHECK(units_that_load(consumers, "app:shared", "deploy") == std::vector<std::string>{"web.service"});
    CHECK(units_that_load(consumers, "unit:x.service", "default") == std::vector<std::string>{"x.service"});
    CHECK(units_that_load(consumers, "app:shared", "none").empty());
}

}  // namespace hwvault::cli
