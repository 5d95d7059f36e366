// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The record of a rejected PIN: scrypt with the parameters that are on disk somewhere, so that they never change
// unnoticed. The answer was computed with another implementation of RFC 7914 (N = 65536, r = 8, p = 1).
#include "crypto/pin_record.h"
#include "tests/catch.h"
#include "tests/crypto/hex.h"

namespace hwvault::crypto {
namespace {

const Bytes kSalt = from_hex("000102030405060708090a0b0c0d0e0f");

TEST_CASE("The hash of a PIN is scrypt's") {
    CHECK(to_hex(*hash_pin(SecretBytes::copy_of(bytes_of("1234")), kSalt)) ==
          "a0520e270f0dd6e2643e0871661c1e9c7f44f24e12a151c7eb33640d3ecd390c");
}

TEST_CASE("Another PIN or another salt gives another hash") {
    const Bytes hash = *hash_pin(SecretBytes::copy_of(bytes_of("1234")), kSalt);
    CHECK(*hash_pin(SecretBytes::copy_of(bytes_of("1235")), kSalt) != hash);
    CHECK(*hash_pin(SecretBytes::copy_of(bytes_of("1234")), Bytes(kPinSaltSize, 1)) != hash);
    CHECK(hash_pin(SecretBytes(), kSalt));
}

}  // namespace
}  // namespace hwvault::crypto
