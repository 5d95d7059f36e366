// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What a TPM's sessions are computed with, against published vectors: FIPS 180-4's examples, RFC 4231, NIST SP 800-38A;
// and that two ends of an exchange share the same secret.
#include "crypto/tpm_session.h"

#include "tests/catch.h"
#include "tests/crypto/hex.h"

namespace hwvault::crypto {
namespace {

template <class Work>
std::string fed_in_two(Result<Work> work, std::string_view first, std::string_view second) {
    REQUIRE(work);
    REQUIRE(work->update(bytes_of(first)));
    REQUIRE(work->update(bytes_of(second)));
    Bytes out(kMaxHashSize);
    const std::size_t size = work->finish(out).value();
    return to_hex(BytesView(out).first(size));
}

}  // namespace

TEST_CASE("hashes of the four kinds, fed in two pieces, are those of FIPS 180-4's example") {
    CHECK(fed_in_two(Hasher::start(HashKind::kSha1), "a", "bc") == "a9993e364706816aba3e25717850c26c9cd0d89d");
    CHECK(fed_in_two(Hasher::start(HashKind::kSha256), "a", "bc") ==
          "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    CHECK(fed_in_two(Hasher::start(HashKind::kSha384), "a", "bc") ==
          "cb00753f45a35e8bb5a03d699ac65007272c32ab0eded1631a8b605a43ff5bed8086072ba1e7cc2358baeca134c825a7");
    CHECK(fed_in_two(Hasher::start(HashKind::kSha512), "a", "bc").substr(0, 32) == "ddaf35a193617abacc417349ae204131");
}

TEST_CASE("HMAC-SHA-256 is RFC 4231's, and an empty key is a key") {
    CHECK(fed_in_two(Authenticator::start(HashKind::kSha256, bytes_of("Jefe")), "what do ya want ", "for nothing?") ==
          "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    CHECK(fed_in_two(Authenticator::start(HashKind::kSha256, {}), "", "") ==
          "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad");
}

TEST_CASE("AES-128 in CFB mode is SP 800-38A's, and back") {
    const Bytes key = from_hex("2b7e151628aed2a6abf7158809cf4f3c");
    const Bytes iv = from_hex("000102030405060708090a0b0c0d0e0f");
    const Bytes plain = from_hex("6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51");
    Bytes buffer = plain;
    REQUIRE(aes_128_cfb(Direction::kEncrypt, key, iv, buffer));
    CHECK(to_hex(buffer) == "3b3fd92eb72dad20333449f8e83cfb4ac8a64537a0b3a93fcde3cdad9f1ce58b");
    REQUIRE(aes_128_cfb(Direction::kDecrypt, key, iv, buffer));
    CHECK(buffer == plain);
    CHECK(!aes_128_cfb(Direction::kEncrypt, BytesView(key).first(15), iv, buffer));
}

TEST_CASE("an exchange gives a new point each time, and no point gives none") {
    const Exchange one = exchange_p256(from_hex("60fed4ba255a9d31c961eb74c6356d68c049b8923b61fa6ce669622e60f29fb6"),
                                       from_hex("7903fe1008b8bc99a41ae9e95628bc64f2f1b20c2d7e9f5177a3c294d4462299"))
                             .value();
    const Exchange two = exchange_p256(one.x, one.y).value();
    CHECK(one.x != two.x);
    CHECK(one.shared.size() == 32);
    CHECK(!equal_in_constant_time(one.shared.reveal(), two.shared.reveal()));
    CHECK(exchange_p256(from_hex("01"), from_hex("01")).error().code == ErrorCode::kInvalidArgument);
    CHECK(exchange_p256(Bytes(33), Bytes(32)).error().code == ErrorCode::kInvalidArgument);
}

TEST_CASE("what is shared is the x of RFC 6979's key times the point") {
    // The private key of A.2.5: its owner computes the same secret from the point of the exchange.
    const Bytes mine = from_hex("c9afa9d845ba75166b5c215767b1d6934e50c3db36e89b127b8a622b120f6721");
    const Exchange exchange = exchange_p256(from_hex("60fed4ba255a9d31c961eb74c6356d68c049b8923b61fa6ce669622e60f29fb6"),
                                            from_hex("7903fe1008b8bc99a41ae9e95628bc64f2f1b20c2d7e9f5177a3c294d4462299"))
                                  .value();
    EC_GROUP* const group = EC_GROUP_new_by_curve_name(415);  // prime256v1
    EC_POINT* const point = EC_POINT_new(group);
    const Bignum x{BN_bin2bn(exchange.x.data(), 32, nullptr)};
    const Bignum y{BN_bin2bn(exchange.y.data(), 32, nullptr)};
    const Bignum scalar{BN_bin2bn(mine.data(), 32, nullptr)};
    const Bignum shared{BN_new()};
    REQUIRE(EC_POINT_set_affine_coordinates(group, point, x.get(), y.get(), nullptr) == 1);
    REQUIRE(EC_POINT_mul(group, point, nullptr, point, scalar.get(), nullptr) == 1);
    REQUIRE(EC_POINT_get_affine_coordinates(group, point, shared.get(), nullptr, nullptr) == 1);
    Bytes expected(32);
    REQUIRE(BN_bn2binpad(shared.get(), expected.data(), 32) == 32);
    CHECK(equal_in_constant_time(exchange.shared.reveal(), expected));
    EC_POINT_free(point);
    EC_GROUP_free(group);
}

}  // namespace hwvault::crypto
