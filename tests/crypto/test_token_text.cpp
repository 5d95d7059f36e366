// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The text of a token, against vectors that were computed without this code (docs/formats/token.md).
#include <algorithm>
#include <string>

#include "crypto/token_text.h"
#include "tests/catch.h"
#include "tests/crypto/hex.h"
#include "tests/crypto/vectors.h"

namespace hwvault::crypto {
namespace {

TEST_CASE("Tokens are made and proven as their format's vectors say") {
    const boost::json::object vectors = read_vectors("token-vectors.json");
    REQUIRE(vectors.at("tokens").as_array().size() >= 5);
    for (const auto& value : vectors.at("tokens").as_array()) {
        const boost::json::object& vector = value.as_object();
        INFO(text_in(vector, "comment"));
        const std::string_view prefix = text_in(vector, "prefix");
        CHECK(is_token_prefix(prefix));
        const auto id = parse_token_id(text_in(vector, "id"));
        REQUIRE(id);
        const SecretBytes secret = secret_from_hex(text_in(vector, "secret"));
        const SecretBytes text = make_token_text(prefix, *id, secret);
        CHECK(text_of(text.reveal()) == text_in(vector, "token"));
        CHECK(to_hex(secret.reveal()) == text_in(vector, "secret"));
        const auto proof = prove_token_text(prefix, text.reveal());
        REQUIRE(proof);
        CHECK(proof->id == *id);
        CHECK(to_hex(proof->hash) == text_in(vector, "hash"));
    }
}

TEST_CASE("Texts that are no token of the vault prove nothing") {
    const boost::json::object vectors = read_vectors("token-vectors.json");
    REQUIRE(vectors.at("refused").as_array().size() >= 5);
    for (const auto& value : vectors.at("refused").as_array()) {
        const boost::json::object& vector = value.as_object();
        INFO(text_in(vector, "comment"));
        CHECK_FALSE(prove_token_text(text_in(vector, "prefix"), bytes_of(text_in(vector, "text"))));
    }
}

TEST_CASE("A token with any one character changed to any other proves nothing") {
    const TokenId id = *parse_token_id("0123456789");
    const SecretBytes text = make_token_text(kDefaultPrefix, id, SecretBytes(32));
    SecretBytes changed = SecretBytes::copy_of(text.reveal());
    const std::span<std::uint8_t> bytes = changed.reveal_to_fill();
    std::size_t accepted = 0;
    for (std::uint8_t& byte : bytes) {
        const std::uint8_t right = byte;
        for (int other = 0; other < 256; ++other) {
            byte = static_cast<std::uint8_t>(other);
            if (byte != right && prove_token_text(kDefaultPrefix, changed.reveal())) ++accepted;
        }
        byte = right;
    }
    CHECK(accepted == 0);
    CHECK(prove_token_text(kDefaultPrefix, changed.reveal()));
}

TEST_CASE("A token of one prefix is none of another") {
    const TokenId id = *parse_token_id("0123456789");
    const SecretBytes text = make_token_text("abc_", id, SecretBytes(32));
    CHECK(prove_token_text("abc_", text.reveal()));
    for (const char* prefix : {"hwv_", "abd_", "ab_", "abcd_", ""}) CHECK_FALSE(prove_token_text(prefix, text.reveal()));
}

TEST_CASE("A prefix is two to six small letters and an underscore") {
    for (const char* good : {"ab_", "hwv_", "abcdef_"}) CHECK(is_token_prefix(good));
    for (const char* bad : {"", "_", "a_", "abcdefg_", "hwv", "hwv-", "hw1_", "Hwv_", "h_v_", "hwv__", "hwv_ ", " hwv_", "h\xC3\xA4_"}) {
        INFO(bad);
        CHECK_FALSE(is_token_prefix(bad));
    }
}

TEST_CASE("An id is ten base62 characters") {
    CHECK(id_text(*parse_token_id("09AZaz09AZ")) == "09AZaz09AZ");
    for (const char* bad : {"", "012345678", "01234567890", "012345678-", "012345678_", "012345678 ", "01234567\xC3\xA4"}) {
        INFO(bad);
        CHECK_FALSE(parse_token_id(bad));
    }
}

TEST_CASE("An id and its number are the same, up to the last") {
    for (const std::string_view text : {"0000000000", "0123456789", "abcdefghij", "zzzzzzzzzz", "A0z9Z5mQ1x"}) {
        const TokenId id = parse_token_id(text).value();
        CHECK(id_of(number_of(id)) == id);
    }
    CHECK(number_of(*parse_token_id("0000000010")) == 62);
    CHECK(number_of(*parse_token_id("zzzzzzzzzz")) == 839'299'365'868'340'223);
}

TEST_CASE("The sizes are what the format says") {
    CHECK(kTokenBodySize == 59);
    CHECK(make_token_text("hwv_", *parse_token_id("0123456789"), SecretBytes(32)).size() == 63);
    CHECK(make_token_text("abcdef_", *parse_token_id("0123456789"), SecretBytes(32)).size() == kMaxTokenSize);
}

}  // namespace
}  // namespace hwvault::crypto
