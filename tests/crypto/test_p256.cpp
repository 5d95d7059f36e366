// SPDX-License-Identifier: LGPL-2.1-or-later
//
// ECDSA with P-256: the signature of RFC 6979, A.2.5, and that no other is taken for it.
#include "crypto/p256.h"
#include "tests/catch.h"
#include "tests/crypto/hex.h"

namespace hwvault::crypto {
namespace {

// DER: SubjectPublicKeyInfo { id-ecPublicKey, prime256v1 }, then the point.
const std::string kInfo = "3059301306072a8648ce3d020106082a8648ce3d030107034200";
const std::string kPoint =
    "04"
    "60fed4ba255a9d31c961eb74c6356d68c049b8923b61fa6ce669622e60f29fb6"
    "7903fe1008b8bc99a41ae9e95628bc64f2f1b20c2d7e9f5177a3c294d4462299";
// Of "sample", with SHA-256; DER: SEQUENCE { r, s }, each with a zero in front of its set top bit.
const std::string kSignature =
    "3046"
    "022100efd48b2aacb6a8fd1140dd9cd45e81d69d2c877b56aaf991c34d0ea84eaf3716"
    "022100f7cb1c942d657c41d436c7a1b6e29f65f3e900dbb9aff4064dc4ab2f843acda8";

TEST_CASE("A P-256 signature of RFC 6979 verifies") {
    CHECK(verify_p256(from_hex(kInfo + kPoint), bytes_of("sample"), from_hex(kSignature)) == true);
}

TEST_CASE("Another message, or a changed signature, does not") {
    const Bytes key = from_hex(kInfo + kPoint);
    CHECK(verify_p256(key, bytes_of("Sample"), from_hex(kSignature)) == false);
    CHECK(verify_p256(key, {}, from_hex(kSignature)) == false);
    const Bytes signature = from_hex(kSignature);
    for (std::size_t i = 0; i < signature.size(); ++i) {
        Bytes changed = signature;
        changed[i] ^= 0x01;
        INFO("byte " << i);
        CHECK(verify_p256(key, bytes_of("sample"), changed) == false);
    }
}

TEST_CASE("What is no signature is none") {
    const Bytes key = from_hex(kInfo + kPoint);
    CHECK(verify_p256(key, bytes_of("sample"), {}) == false);
    CHECK(verify_p256(key, bytes_of("sample"), Bytes(64, 1)) == false);
    CHECK(verify_p256(key, bytes_of("sample"), from_hex(kSignature + "00")) == false);
    CHECK(verify_p256(key, bytes_of("sample"), from_hex("3006020100020100")) == false);
}

TEST_CASE("What is no P-256 key is refused") {
    const std::string key = GENERATE_COPY(
        // Nothing, a key that is cut, one with something behind it, a point that is not on the curve.
        std::string(), (kInfo + kPoint).substr(0, 120), kInfo + kPoint + "00",
        kInfo + kPoint.substr(0, kPoint.size() - 2) + "98",
        // secp256k1, of the same size; Ed25519.
        std::string("3056301006072a8648ce3d020106052b8104000a03420004"
                    "79be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798"
                    "483ada7726a3c4655da4fbfc0e1108a8fd17b448a68554199c47d08ffb10d4b8"),
        std::string("302a300506032b6570032100d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"));
    INFO(key);
    const auto verdict = verify_p256(from_hex(key), bytes_of("sample"), from_hex(kSignature));
    REQUIRE_FALSE(verdict);
    CHECK(verdict.error().code == ErrorCode::kInvalidArgument);
}

}  // namespace
}  // namespace hwvault::crypto
