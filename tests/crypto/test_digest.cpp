// SPDX-License-Identifier: LGPL-2.1-or-later
//
// SHA-256, HMAC and HKDF against published vectors, and what hashing takes from the heap. This
// file gives OpenSSL an allocator that counts, before anything else in the program asks it for memory.
#include <atomic>
#include <cstdlib>
#include <string>
#include <thread>
#include <vector>

#include <openssl/crypto.h>

#include "crypto/digest.h"
#include "tests/catch.h"
#include "tests/crypto/hex.h"

namespace hwvault::crypto {
namespace {

std::atomic<std::size_t> openssl_allocations{0};

void* counted_malloc(std::size_t size, const char*, int) {
    ++openssl_allocations;
    return std::malloc(size);
}
void* counted_realloc(void* block, std::size_t size, const char*, int) {
    ++openssl_allocations;
    return std::realloc(block, size);
}
void counted_free(void* block, const char*, int) {
    std::free(block);
}
const bool counting = CRYPTO_set_mem_functions(counted_malloc, counted_realloc, counted_free) == 1;

std::string sha256_hex(std::string_view text) {
    return to_hex(sha256(bytes_of(text)));
}

TEST_CASE("SHA-256 gives the answers of FIPS 180-4") {
    CHECK(sha256_hex("") == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    CHECK(sha256_hex("abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    CHECK(sha256_hex("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq") ==
          "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
    CHECK(sha256_hex(std::string(1'000'000, 'a')) ==
          "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

TEST_CASE("The hash of parts is the hash of the whole, wherever it is cut") {
    const std::string text(200, 'x');
    for (std::size_t cut = 0; cut <= text.size(); ++cut) {
        const BytesView whole = bytes_of(text);
        CHECK(sha256({whole.first(cut), whole.subspan(cut)}) == sha256(whole));
    }
    CHECK(sha256({}) == sha256(BytesView{}));
}

TEST_CASE("One block alone has the hash that it has among others") {
    std::array<std::uint8_t, kOneBlock> bytes{};
    for (std::size_t i = 0; i < 256; ++i) {
        for (std::size_t at = 0; at < bytes.size(); ++at) bytes[at] = static_cast<std::uint8_t>(i + at * 7);
        CHECK(sha256_of_block(bytes) == sha256(bytes));
    }
}

TEST_CASE("HMAC-SHA-256 gives the answers of RFC 4231") {
    struct Vector {
        std::string key;
        std::string data;
        std::string mac;
    };
    std::string repeated;
    for (int i = 0; i < 131; ++i) repeated += "aa";
    const auto vector = GENERATE_COPY(
        Vector{"0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b", to_hex(bytes_of("Hi There")),
               "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"},
        Vector{to_hex(bytes_of("Jefe")), to_hex(bytes_of("what do ya want for nothing?")),
               "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"},
        Vector{"0102030405060708090a0b0c0d0e0f10111213141516171819",
               "cdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcd",
               "82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b"},
        Vector{repeated, to_hex(bytes_of("Test Using Larger Than Block-Size Key - Hash Key First")),
               "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"});
    const SecretBytes key = secret_from_hex(vector.key);
    CHECK(to_hex(hmac_sha256(key, from_hex(vector.data))) == vector.mac);
    HmacSha256 keyed(key);
    for (int i = 0; i < 3; ++i) CHECK(to_hex(keyed.of(from_hex(vector.data))) == vector.mac);
}

TEST_CASE("HKDF-SHA-256 gives the answer of RFC 5869, case 3, and of an own one with a purpose") {
    const SecretBytes okm = hkdf_sha256(secret_from_hex("0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b"), "");
    CHECK(to_hex(okm.reveal()) == "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d");
    const SecretBytes purpose =
        hkdf_sha256(secret_from_hex("000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"), "hwvault/records");
    CHECK(to_hex(purpose.reveal()) == "a078bacee73d3760b689e4d37d804e739cef3cf7d01a2ad38adc1b7ba537fda5");
}

TEST_CASE("Keys for two purposes differ") {
    const SecretBytes key = secret_from_hex("00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff");
    CHECK(to_hex(hkdf_sha256(key, "a").reveal()) != to_hex(hkdf_sha256(key, "b").reveal()));
}

// To fetch SHA-256 anew, or a new context for each hash, would take several; none would be possible, but for OpenSSL
// 3.0, which renews the inner state of a context whenever it is started.
TEST_CASE("A hash takes at most one block from the heap after a thread's first") {
    REQUIRE(counting);
    const std::string body(53, 'x');
    const Digest first = sha256(bytes_of(body));
    const std::size_t before = openssl_allocations;
    bool same = true;
    for (int i = 0; i < 1000; ++i) same = same && sha256(bytes_of(body)) == first;
    CHECK(openssl_allocations - before <= 1000);
    CHECK(same);
    CHECK(openssl_allocations > 0);  // that it counts at all
}

TEST_CASE("Threads hash and derive at once without disturbing each other") {
    const SecretBytes key = secret_from_hex("00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff");
    std::atomic<int> wrong{0};
    std::vector<std::thread> threads;
    for (int id = 0; id < 4; ++id) {
        threads.emplace_back([&, id] {
            const std::string text(static_cast<std::size_t>(id) * 40, 'y');
            const Digest hash = sha256(bytes_of(text));
            const Digest mac = hmac_sha256(key, bytes_of(text));
            const Digest derived = sha256(hkdf_sha256(key, text).reveal());
            for (int i = 0; i < 300; ++i) {
                if (sha256(bytes_of(text)) != hash || hmac_sha256(key, bytes_of(text)) != mac ||
                    sha256(hkdf_sha256(key, text).reveal()) != derived) {
                    ++wrong;
                }
            }
        });
    }
    for (std::thread& thread : threads) thread.join();
    CHECK(wrong == 0);
}

}  // namespace
}  // namespace hwvault::crypto
