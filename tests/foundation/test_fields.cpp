// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The encoding of fields: as written down, injective, and read without ever leaving its bytes.
#include <map>
#include <random>
#include <string>
#include <vector>

#include "foundation/fields.h"
#include "foundation/secret.h"
#include "tests/catch.h"

namespace hwvault {
namespace {

Bytes encode(const std::vector<std::string>& fields) {
    FieldWriter<> writer;
    for (const std::string& field : fields) writer.text(field);
    return writer.take();
}

TEST_CASE("A field is its length, little-endian, and its bytes; a number is eight bytes") {
    const Bytes encoded = FieldWriter<>().text("ab").number(0x0102030405060708).bytes({}).take();
    CHECK(encoded == Bytes{2, 0, 0, 0, 'a', 'b', 8, 0, 0, 0, 8, 7, 6, 5, 4, 3, 2, 1, 0, 0, 0, 0});
}

TEST_CASE("What was written is read back") {
    const Bytes raw{1, 2, 3};
    const Bytes encoded = FieldWriter<>().text("name").number(~std::uint64_t{0}).bytes(raw).text("").take();
    FieldReader reader(encoded);
    CHECK_FALSE(reader.finished());
    CHECK(reader.text() == "name");
    CHECK(reader.number() == ~std::uint64_t{0});
    CHECK(reader.array<3>() == std::array<std::uint8_t, 3>{1, 2, 3});
    CHECK(reader.text() == "");
    CHECK(reader.finished());
    CHECK_FALSE(reader.bytes());
    CHECK_FALSE(reader.finished());
}

TEST_CASE("A writer fills locked memory as well") {
    using Locked = std::pmr::vector<std::uint8_t>;
    FieldWriter<Locked> writer{Locked(&locked_memory())};
    const Locked encoded = writer.text("ab").take();
    CHECK(Bytes(encoded.begin(), encoded.end()) == Bytes{2, 0, 0, 0, 'a', 'b'});
}

TEST_CASE("Where one field ends and the next begins is part of the bytes") {
    std::map<Bytes, std::vector<std::string>> seen;
    const std::vector<std::vector<std::string>> lists{
        {}, {""}, {"", ""}, {"a"}, {"a", ""}, {"", "a"}, {"ab"}, {"a", "b"}, {"ab", ""}, {"abc"}, {"ab", "c"}, {"a", "bc"},
        {"a", "b", "c"}, {std::string("\1\0\0\0a", 5)}, {std::string("\0\0\0\0", 4)}, {std::string("\0\0\0\0\0\0\0\0", 8)}};
    for (const auto& list : lists) CHECK(seen.emplace(encode(list), list).second);
}

TEST_CASE("Random lists of fields never collide") {
    std::mt19937 random(7);
    std::map<Bytes, std::vector<std::string>> seen;
    for (int i = 0; i < 50'000; ++i) {
        // Short fields over an alphabet of which lengths are made too, where a collision would be likeliest.
        std::vector<std::string> list(random() % 5);
        for (std::string& field : list) {
            field.resize(random() % 6);
            for (char& c : field) c = static_cast<char>(random() % 3);
        }
        const auto [known, is_new] = seen.emplace(encode(list), list);
        if (known->second != list) FAIL_CHECK("two lists gave the same bytes");
    }
    CHECK(seen.size() > 10'000);
}

TEST_CASE("Bytes that end early give nothing, then or later") {
    const Bytes encoded = FieldWriter<>().text("name").number(7).bytes(Bytes(32)).take();
    for (std::size_t size = 0; size < encoded.size(); ++size) {
        INFO(size << " bytes");
        FieldReader reader(BytesView(encoded).first(size));
        const bool whole = reader.text() && reader.number() && reader.array<32>();
        CHECK_FALSE(whole);
        CHECK_FALSE(reader.finished());
        CHECK_FALSE(reader.bytes());
    }
}

TEST_CASE("A length beyond the end gives nothing, however large") {
    for (const Bytes& bytes : {Bytes{1, 0, 0, 0}, Bytes{0xFF, 0xFF, 0xFF, 0xFF}, Bytes{0xFF, 0xFF, 0xFF, 0xFF, 1, 2, 3},
                               Bytes{4, 0, 0, 0, 1, 2, 3}, Bytes{0, 0, 0, 0x80, 1}, Bytes{1}, Bytes{0, 0, 0}}) {
        FieldReader reader(bytes);
        CHECK_FALSE(reader.bytes());
        CHECK_FALSE(reader.finished());
    }
}

TEST_CASE("A number is eight bytes long and an array as long as it is") {
    for (const std::size_t size : {0U, 1U, 4U, 7U, 9U, 16U}) {
        const Bytes encoded = FieldWriter<>().bytes(Bytes(size)).number(1).take();
        FieldReader numbers(encoded);
        CHECK_FALSE(numbers.number());
        CHECK_FALSE(numbers.number());  // not even the good one behind it
        CHECK_FALSE(numbers.finished());
        FieldReader arrays(encoded);
        CHECK_FALSE(arrays.array<8>());
        CHECK_FALSE(arrays.array<8>());
    }
}

TEST_CASE("What is left over is not finished") {
    Bytes encoded = FieldWriter<>().text("a").take();
    encoded.push_back(0);
    FieldReader reader(encoded);
    CHECK(reader.text() == "a");
    CHECK_FALSE(reader.finished());
}

TEST_CASE("Nothing at all is finished, and has no field") {
    FieldReader reader(BytesView{});
    CHECK(reader.finished());
    CHECK_FALSE(reader.text());
    CHECK_FALSE(reader.finished());
}

}  // namespace
}  // namespace hwvault
