// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The generator: no test can show that bytes are random; these show that they are filled, and differ.
#include <algorithm>
#include <array>
#include <map>
#include <set>

#include "crypto/random.h"
#include "crypto/token_text.h"
#include "tests/catch.h"

namespace hwvault::crypto {
namespace {

TEST_CASE("Random bytes fill the whole of what they are asked for") {
    Bytes bytes(64 << 10);
    REQUIRE(fill_random(bytes));
    const std::set<std::uint8_t> values(bytes.begin(), bytes.end());
    CHECK(values.size() == 256);
    CHECK(std::set<std::uint8_t>(bytes.end() - 256, bytes.end()).size() > 100);
    CHECK(fill_random({}));
}

TEST_CASE("No two draws are the same, also after the device's bytes were mixed in") {
    std::set<std::array<std::uint8_t, 16>> draws;
    for (int i = 0; i < 200; ++i) {
        std::array<std::uint8_t, 16> draw{};
        REQUIRE(fill_random(draw));
        CHECK(draws.insert(draw).second);
        mix_into_generator(Bytes(32, 7));
    }
}

TEST_CASE("No character of a token's id is likelier than another") {
    constexpr int kIds = 20'000;
    std::map<char, int> counts;
    std::set<TokenId> ids;
    for (int i = 0; i < kIds; ++i) {
        const auto id = random_token_id();
        REQUIRE(id);
        ids.insert(*id);
        for (const char c : *id) ++counts[c];
    }
    CHECK(ids.size() == kIds);
    REQUIRE(counts.size() == 62);
    // 3226 each are expected; a byte taken modulo 62 would give eight of them 3906. Six standard deviations are 340.
    for (const auto& [character, count] : counts) {
        INFO(character);
        CHECK(std::abs(count - kIds * 10 / 62) < 340);
    }
}

}  // namespace
}  // namespace hwvault::crypto
