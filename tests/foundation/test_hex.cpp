// SPDX-License-Identifier: LGPL-2.1-or-later
#include "foundation/hex.h"

#include "tests/catch.h"

TEST_CASE("Bytes are two lower-case hexadecimal digits each") {
    CHECK(hwvault::hex_of({}).empty());
    CHECK(hwvault::hex_of(hwvault::Bytes{0x00, 0x0f, 0xa0, 0xff}) == "000fa0ff");
}
