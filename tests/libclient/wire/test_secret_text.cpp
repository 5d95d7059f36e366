// SPDX-License-Identifier: LGPL-2.1-or-later
#include <string>

#include "libclient/wire/varlink.h"
#include "tests/catch.h"

using namespace hwvault;

namespace {

constexpr std::size_t kCap = 1 << 20;

std::string there_and_back(std::string_view bytes) {
    const wire::Encoded encoded = wire::encode_secret(bytes_of(bytes));
    const auto decoded = wire::decode_secret(encoded.text, encoded.base64, kCap);
    REQUIRE(decoded);
    return std::string(text_of(decoded->reveal()));
}

}  // namespace

TEST_CASE("a secret that is UTF-8 travels as it is") {
    for (const std::string_view text : {"hwv_token", "", "\xC3\xA9\xE2\x82\xAC\xF0\x9F\x94\x91", "line\nline\n", "a\"b\\c"}) {
        const wire::Encoded encoded = wire::encode_secret(bytes_of(text));
        CHECK_FALSE(encoded.base64);
        CHECK(std::string_view(encoded.text) == text);
        CHECK(there_and_back(text) == text);
    }
}

TEST_CASE("a secret that is no UTF-8 travels as base64") {
    const std::string bytes("\x00\xFF\xFE key", 7);
    const wire::Encoded encoded = wire::encode_secret(bytes_of(bytes));
    CHECK(encoded.base64);
    CHECK(std::string_view(encoded.text) == "AP/+IGtleQ==");
    CHECK(there_and_back(bytes) == bytes);
}

TEST_CASE("the largest secret fits into a message, whatever its bytes are") {
    for (const char filling : {'a', '\0', '\n', '"', '\xFF', '\x01'}) {
        CAPTURE(static_cast<int>(filling));
        const std::string bytes(kCap, filling);
        boost::json::object message(wire::locked_storage());
        message.emplace("secret", wire::encode_secret(bytes_of(bytes)).text);
        CHECK(wire::serialize(message).size() <= wire::kMaxMessageSize - 4'096);
        CHECK(there_and_back(bytes) == bytes);
    }
}

TEST_CASE("a secret above the cap, or base64 that is none, is refused in words") {
    CHECK(wire::decode_secret("abcd", false, 4));
    CHECK(wire::decode_secret("abcde", false, 4).error().code == ErrorCode::kInvalidArgument);
    CHECK(wire::decode_secret("AAAAAA==", true, 4));
    CHECK(wire::decode_secret("AAAAAAA=", true, 4).error().code == ErrorCode::kInvalidArgument);
    CHECK(wire::decode_secret("AAAAAAAAAAAA", true, 4).error().code == ErrorCode::kInvalidArgument);
    CHECK(wire::decode_secret("no base64", true, 100).error().code == ErrorCode::kInvalidArgument);
    CHECK(wire::decode_secret("", true, 4));
}

TEST_CASE("a short secret lies outside of the string object, which may be anywhere") {
    const wire::Encoded encoded = wire::encode_secret(bytes_of("pw"));
    const auto* object = reinterpret_cast<const char*>(&encoded.text);
    const char* characters = encoded.text.data();
    CHECK((characters < object || characters >= object + sizeof encoded.text));
    CHECK(encoded.text.storage() == wire::locked_storage());
}

TEST_CASE("UTF-8 is that of RFC 3629") {
    for (const std::string_view text : {"", "a", "\x7F", "\xC2\x80", "\xDF\xBF", "\xE0\xA0\x80", "\xED\x9F\xBF",
                                        "\xEE\x80\x80", "\xEF\xBF\xBF", "\xF0\x90\x80\x80", "\xF4\x8F\xBF\xBF"}) {
        CAPTURE(text.size());
        CHECK(wire::is_utf8(bytes_of(text)));
    }
    for (const std::string_view text :
         {"\x80", "\xBF", "\xC0\x80", "\xC1\xBF", "\xC2", "\xC2\x41", "\xE0\x9F\xBF", "\xE0\xA0", "\xED\xA0\x80",
          "\xEF\xBF", "\xF0\x8F\xBF\xBF", "\xF0\x90\x80", "\xF4\x90\x80\x80", "\xF5\x80\x80\x80", "\xFF", "a\xE2\x82"}) {
        CAPTURE(text.size());
        CHECK_FALSE(wire::is_utf8(bytes_of(text)));
    }
}
