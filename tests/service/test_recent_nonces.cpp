// SPDX-License-Identifier: LGPL-2.1-or-later
#include "daemon/service/recent_nonces.h"

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

TEST_CASE("A nonce that was seen is known by its generation's id, and no other is") {
    RecentNonces nonces;
    nonces.saw(numbered_generation(1));
    vault::Generation without = numbered_generation(2);
    without.nonce.reset();
    nonces.saw(without);
    CHECK(nonces.of(numbered_generation(1).id) == numbered_generation(1).nonce);
    CHECK_FALSE(nonces.of(without.id));
}

TEST_CASE("However many nonces are seen, no more than the cap are remembered, and the latest is") {
    RecentNonces nonces;
    for (std::size_t i = 1; i <= 2 * RecentNonces::kMost + 5; ++i) {
        nonces.saw(numbered_generation(i));
        CHECK(nonces.count() <= RecentNonces::kMost);
        CHECK(nonces.of(numbered_generation(i).id));
    }
}

}  // namespace
}  // namespace hwvault::service
