// SPDX-License-Identifier: LGPL-2.1-or-later
#include "daemon/service/recent_generations.h"

#include <charconv>

#include "tests/catch.h"

namespace hwvault::service {
namespace {

vault::Generation numbered_generation(std::size_t number) {
    vault::Generation generation;
    generation.id.fill('0');
    std::to_chars(generation.id.data(), generation.id.data() + generation.id.size(), number);
    generation.nonce = vault::Nonce{};
    generation.nonce->front() = static_cast<std::uint8_t>(number);
    return generation;
}

// As the vault has it.
vault::Generation bare(vault::Generation generation) {
    generation.nonce.reset();
    generation.hash.reset();
    return generation;
}

TEST_CASE("What was seen of a generation is known by its id, and of no other") {
    RecentGenerations recent;
    recent.saw(numbered_generation(1));
    vault::Generation known = bare(numbered_generation(1));
    CHECK(recent.complete(known));
    CHECK(known == numbered_generation(1));
    recent.saw(bare(numbered_generation(2)));
    vault::Generation unknown = bare(numbered_generation(2));
    CHECK_FALSE(recent.complete(unknown));
    CHECK(unknown == bare(numbered_generation(2)));
}

TEST_CASE("A generation that was given is complete only with its hash") {
    RecentGenerations recent;
    recent.saw(numbered_generation(1));
    vault::Generation given = numbered_generation(1);
    given.given = true;
    given.hash.emplace().fill(7);
    vault::Generation asked = bare(given);
    CHECK_FALSE(recent.complete(asked));  // seen before it was given

    vault::Generation told = given;  // as the change has it that gives it
    told.nonce.reset();
    recent.saw(told);
    CHECK(recent.complete(asked));
    CHECK(asked == given);
    recent.saw(bare(given));
    CHECK(recent.complete(asked));
    vault::Generation outdated = bare(numbered_generation(1));
    CHECK_FALSE(recent.complete(outdated));
}

TEST_CASE("However many generations are seen, no more than the cap are remembered, and the latest is") {
    RecentGenerations recent;
    for (std::size_t i = 1; i <= 2 * RecentGenerations::kMost + 5; ++i) {
        recent.saw(numbered_generation(i));
        CHECK(recent.count() <= RecentGenerations::kMost);
        vault::Generation latest = bare(numbered_generation(i));
        CHECK(recent.complete(latest));
    }
}

}  // namespace
}  // namespace hwvault::service
