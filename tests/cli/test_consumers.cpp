// SPDX-License-Identifier: LGPL-2.1-or-later
#include "cli/consumers.h"

#include "tests/catch.h"

namespace hwvault::cli {
namespace {

const UnitCredential kMapped{"billing.service", "api", "app:shared", "ci"};

// A token as the vault has it now.
Info token_now(std::uint64_t generation, const std::string& id) {
    Info info;
    info.generation = generation;
    info.id = id;
    return info;
}

constexpr std::int64_t kMoment = 1000;

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

TEST_CASE("a unit that was handed what the vault has now has the current generation") {
    CHECK(generation_text({3, "c"}, token_now(3, "c"), kMoment) == "3 (current)");
    CHECK(standing_of({3, "c"}, token_now(3, "c"), kMoment) == Standing::kCurrent);
    CHECK(generation_text({}, token_now(3, "c"), kMoment) == "not seen");
    CHECK(standing_of({}, token_now(3, "c"), kMoment) == Standing::kNotKnown);
}

TEST_CASE("what is good no more is not called current") {
    Info revoked = token_now(3, "c");
    revoked.revoked = true;
    CHECK(generation_text({3, "c"}, revoked, kMoment) == "3 (revoked)");
    CHECK(generation_text({2, "b"}, revoked, kMoment) == "2 (older), now 3 (revoked)");
    Info expired = token_now(3, "c");
    expired.expires_at = kMoment;
    CHECK(generation_text({3, "c"}, expired, kMoment) == "3 (expired)");
    CHECK(generation_text({3, "c"}, expired, kMoment - 1) == "3 (current)");
    CHECK(generation_text({2, "b"}, token_now(3, "c"), kMoment) == "2 (older), now 3");
}

TEST_CASE("a token that was deleted, or made again after that, is told from the one that a unit was handed") {
    CHECK(generation_text({3, "c"}, Failure{HWVAULT_ERROR_NOT_FOUND, "No."}, kMoment) == "3 (deleted)");
    CHECK(generation_text({1, "a"}, token_now(1, "z"), kMoment) == "1 (deleted), now 1");
    CHECK(generation_text({3, "c"}, token_now(1, "z"), kMoment) == "3 (deleted), now 1");
}

TEST_CASE("of a token that the vault does not speak of nothing is claimed") {
    for (const int code : {HWVAULT_ERROR_ACCESS_DENIED, HWVAULT_ERROR_UNREACHABLE}) {
        CHECK(generation_text({3, "c"}, Failure{code, "No."}, kMoment) == "3");
        CHECK(standing_of({3, "c"}, Failure{code, "No."}, kMoment) == Standing::kNotKnown);
    }
}

}  // namespace hwvault::cli
