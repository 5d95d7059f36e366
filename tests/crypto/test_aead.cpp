// SPDX-License-Identifier: LGPL-2.1-or-later
//
// AES-256-GCM: known answers, and that nothing opens but what was sealed, where it was sealed.
#include <string>

#include "crypto/aead.h"
#include "tests/catch.h"
#include "tests/crypto/hex.h"

namespace hwvault::crypto {
namespace {

const std::string kZeroKey(64, '0');
const std::string kKey = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";

Bytes copy(BytesView bytes) {
    return {bytes.begin(), bytes.end()};
}

TEST_CASE("Sealing gives the answers of the GCM specification's test cases 13 and 14, and an own one with data") {
    const SecretBytes zeros = secret_from_hex(kZeroKey);
    CHECK(to_hex(*seal_once(zeros, {}, {})) == "530f8afbc74536b9a963b4f1c4cb738b");
    CHECK(to_hex(*seal_once(zeros, {}, Bytes(16))) ==
          "cea7403d4d606b6e074ec5d3baf39d18d0d1c8a799996bf0265b98b5d48ab919");
    CHECK(to_hex(*seal_once(secret_from_hex(kKey), bytes_of("the record"), bytes_of("a third party's secret"))) ==
          "6f9cc1b6dc5ee79d78c9db41610be2b9a12635214df58c6b260c4a076486630d878264dc5b4a");
}

TEST_CASE("What was sealed opens again, of any size") {
    const SecretBytes key = secret_from_hex(kKey);
    const std::size_t size = GENERATE(0u, 1u, 15u, 16u, 17u, 4096u, 1u << 20);
    const Bytes plaintext(size, 0xA5);
    const auto sealed = seal_once(key, bytes_of("record"), plaintext);
    REQUIRE(sealed);
    CHECK(sealed->size() == size + kSealTagSize);
    const auto opened = open_sealed(key, bytes_of("record"), *sealed);
    REQUIRE(opened);
    CHECK(copy(opened->reveal()) == plaintext);
}

TEST_CASE("A changed byte anywhere, ciphertext or tag, is found") {
    const SecretBytes key = secret_from_hex(kKey);
    const Bytes sealed = *seal_once(key, bytes_of("record"), bytes_of("a third party's secret"));
    for (std::size_t i = 0; i < sealed.size(); ++i) {
        Bytes changed = sealed;
        changed[i] ^= 0x01;
        const auto opened = open_sealed(key, bytes_of("record"), changed);
        INFO("byte " << i);
        REQUIRE_FALSE(opened);
        CHECK(opened.error().code == ErrorCode::kStoreTampered);
    }
}

TEST_CASE("A cut or lengthened seal is found") {
    const SecretBytes key = secret_from_hex(kKey);
    const Bytes sealed = *seal_once(key, bytes_of("record"), bytes_of("secret"));
    for (std::size_t size = 0; size < sealed.size(); ++size) {
        const auto opened = open_sealed(key, bytes_of("record"), BytesView(sealed).first(size));
        INFO(size << " bytes");
        REQUIRE_FALSE(opened);
        CHECK(opened.error().code == ErrorCode::kStoreTampered);
    }
    Bytes longer = sealed;
    longer.push_back(0);
    CHECK_FALSE(open_sealed(key, bytes_of("record"), longer));
}

TEST_CASE("Another key or another record's data does not open it") {
    const SecretBytes key = secret_from_hex(kKey);
    const Bytes sealed = *seal_once(key, bytes_of("record 1"), bytes_of("secret"));
    for (const char* other : {"record 2", "record", "", "record 11"}) {
        const auto opened = open_sealed(key, bytes_of(other), sealed);
        REQUIRE_FALSE(opened);
        CHECK(opened.error().code == ErrorCode::kStoreTampered);
    }
    const auto opened = open_sealed(secret_from_hex(kZeroKey), bytes_of("record 1"), sealed);
    REQUIRE_FALSE(opened);
    CHECK(opened.error().code == ErrorCode::kStoreTampered);
    CHECK(open_sealed(key, bytes_of("record 1"), sealed));
}

TEST_CASE("A key of another size is refused") {
    for (const std::size_t size : {0U, 16U, 31U, 33U}) {
        const SecretBytes key{size};
        CHECK(seal_once(key, {}, {}).error().code == ErrorCode::kInternal);
        CHECK(open_sealed(key, {}, Bytes(32)).error().code == ErrorCode::kInternal);
    }
}

}  // namespace
}  // namespace hwvault::crypto
