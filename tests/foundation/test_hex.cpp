// SPDX-License-Identifier: LGPL-2.1-or-later
#include "foundation/hex.h"

#include <array>

#include "tests/catch.h"

TEST_CASE("Bytes are two lower-case hexadecimal digits each") {
    CHECK(hwvault::hex_of({}).empty());
    CHECK(hwvault::hex_of(hwvault::Bytes{0x00, 0x0f, 0xa0, 0xff}) == "000fa0ff");
}

TEST_CASE("Hexadecimal digits are bytes again; another length or another character is refused") {
    std::array<std::uint8_t, 4> bytes{};
    CHECK(hwvault::bytes_of_hex("000fA0ff", bytes));
    CHECK(bytes == std::array<std::uint8_t, 4>{0x00, 0x0f, 0xa0, 0xff});
    for (const auto* const text : {"", "000fa0f", "000fa0ff0", "000fa0ff00", "000fa0fg", "0x0fa0ff", "000fa0 f", "000fa0-f", "000fa0+1"}) {
        CHECK_FALSE(hwvault::bytes_of_hex(text, bytes));
    }
    CHECK(hwvault::bytes_of_hex("", {}));
}
