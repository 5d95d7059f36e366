// SPDX-License-Identifier: LGPL-2.1-or-later
#include "crypto/base64.h"

#include <string>

#include "tests/catch.h"

using namespace hwvault;

namespace {

std::string encoded(std::string_view bytes) {
    return std::string(text_of(crypto::encode_base64(bytes_of(bytes)).reveal()));
}

}  // namespace

TEST_CASE("base64 is that of RFC 4648, section 10") {
    CHECK(encoded("").empty());
    CHECK(encoded("f") == "Zg==");
    CHECK(encoded("fo") == "Zm8=");
    CHECK(encoded("foo") == "Zm9v");
    CHECK(encoded("foob") == "Zm9vYg==");
    CHECK(encoded("fooba") == "Zm9vYmE=");
    CHECK(encoded("foobar") == "Zm9vYmFy");
}

TEST_CASE("base64 gives back every length of every byte") {
    std::string bytes;
    for (int i = 0; i < 300; ++i) {
        const auto back = crypto::decode_base64(encoded(bytes));
        REQUIRE(back.has_value());
        CHECK(text_of(back->reveal()) == bytes);
        bytes.push_back(static_cast<char>(i * 7 + 3));
    }
}

TEST_CASE("text that encoding would never give is no base64") {
    for (const std::string_view text :
         {"Z", "Zg", "Zg=", "Zg===", "====", "=g==", "Z===", "Zm9v\n", "Zm9v    ", " Zm9", "Zm9=Zm9v", "Zm-_", "Zm9\x80",
          "Zh==", "Zm9="}) {
        CAPTURE(text);
        CHECK_FALSE(crypto::decode_base64(text).has_value());
    }
}
