// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Base64: the vectors of RFC 4648, and that decoding accepts exactly what encoding gives.
#include <string>
#include <utility>

#include "crypto/base64.h"
#include "tests/catch.h"

namespace hwvault::crypto {
namespace {

using namespace std::string_literals;

std::string encoded(std::string_view text) {
    return std::string(text_of(encode_base64(bytes_of(text)).reveal()));
}

TEST_CASE("Base64 gives the answers of RFC 4648, section 10, both ways") {
    const auto [plain, text] = GENERATE(table<std::string, std::string>({{"", ""},
                                                                         {"f", "Zg=="},
                                                                         {"fo", "Zm8="},
                                                                         {"foo", "Zm9v"},
                                                                         {"foob", "Zm9vYg=="},
                                                                         {"fooba", "Zm9vYmE="},
                                                                         {"foobar", "Zm9vYmFy"},
                                                                         {"\xfb\xff\xfe", "+//+"},
                                                                         {"a\0b"s, "YQBi"}}));
    CHECK(encoded(plain) == text);
    const auto decoded = decode_base64(text);
    REQUIRE(decoded);
    CHECK(text_of(decoded->reveal()) == plain);
    CHECK(base64_size(plain.size()) == text.size());
}

TEST_CASE("Every length comes back as it was") {
    std::string bytes;
    for (int i = 0; i < 300; ++i) {
        const std::string text = encoded(bytes);
        CHECK(text_of(decode_base64(text)->reveal()) == bytes);
        bytes.push_back(static_cast<char>(i * 7));
    }
}

TEST_CASE("What encoding does not give is refused") {
    for (const std::string& text : {"Z"s, "Zg"s, "Zg="s, "Zm9"s, "Zg==="s, "===="s, "="s, "Zm9v="s, "Zm9v===="s, "Z==="s,
                                    "Zh=="s, "Zm9="s, "Zg==Zg=="s, "Z=g="s, "Zm9v\n"s, " Zm9v"s, "Zm 9v"s, "Zm9\n"s, "Zm-v"s,
                                    "Zm_v"s, "Zm9\0"s, "Zm9\xC3"s}) {
        INFO(text);
        CHECK_FALSE(decode_base64(text));
    }
}

}  // namespace
}  // namespace hwvault::crypto
