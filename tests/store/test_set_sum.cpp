// SPDX-License-Identifier: LGPL-2.1-or-later
#include "daemon/store/authentication.h"
#include "foundation/fields.h"
#include "tests/store/fixture.h"

using namespace hwvault;
using namespace hwvault::store;
using namespace hwvault::store::testing;

namespace {

crypto::Digest filled(std::uint8_t byte) {
    crypto::Digest digest;
    digest.fill(byte);
    return digest;
}

Row row_of(BytesView body, std::optional<BytesView> content) {
    return {Kind::kToken, id_of('t', 1), 3, body, content};
}

}  // namespace

TEST_CASE("What is subtracted from the sum undoes what was added, in any order") {
    SetSum sum;
    sum.add(filled(0xff));
    sum.add(filled(0x80));
    sum.add(filled(0x01));
    sum.subtract(filled(0xff));
    sum.subtract(filled(0x01));
    CHECK(sum.bytes() == filled(0x80));
    sum.subtract(filled(0x80));
    CHECK(sum == SetSum{});
}

TEST_CASE("The sum carries through every byte and wraps at 2^256") {
    crypto::Digest one{};
    one[0] = 1;
    SetSum sum{filled(0xff)};
    sum.add(one);
    CHECK(sum == SetSum{});
    sum.subtract(one);
    CHECK(sum.bytes() == filled(0xff));

    crypto::Digest low{};
    low[0] = 0xff;
    SetSum carried{low};
    carried.add(one);
    crypto::Digest expected{};
    expected[1] = 1;
    CHECK(carried.bytes() == expected);
}

TEST_CASE("A term depends on the id, the version, the hash and the key") {
    const Keys keys{root_key()};
    const auto term = keys.term(id_of('t', 1), 1, filled(1));
    CHECK(term == keys.term(id_of('t', 1), 1, filled(1)));
    CHECK(term != keys.term(id_of('t', 2), 1, filled(1)));
    CHECK(term != keys.term(id_of('t', 1), 2, filled(1)));
    CHECK(term != keys.term(id_of('t', 1), 1, filled(2)));
    CHECK(term != Keys{root_key(2)}.term(id_of('t', 1), 1, filled(1)));
}

TEST_CASE("A row's MAC depends on all that the row means") {
    const Keys keys{root_key()};
    const Bytes body{1, 2, 3};
    const Bytes other{1, 2, 4};
    const Row row = row_of(body, std::nullopt);
    const auto mac = keys.tag(row).mac;
    Row changed = row;
    changed.kind = Kind::kAccount;
    CHECK(mac != keys.tag(changed).mac);
    changed = row;
    changed.version = 4;
    CHECK(mac != keys.tag(changed).mac);
    CHECK(mac != keys.tag(row_of(other, std::nullopt)).mac);
    CHECK(mac != keys.tag(row_of(body, BytesView{})).mac);
    CHECK(mac != keys.tag(row_of(body, BytesView{other})).mac);
    CHECK(mac != Keys{root_key(2)}.tag(row).mac);
}

TEST_CASE("Rows, terms and the head are authenticated under three keys, over the bytes that the format says") {
    const Keys keys{root_key()};
    const Bytes body{1, 2, 3};
    FieldWriter fields;
    fields.number(2).bytes(id_of('t', 1)).number(3).bytes(crypto::sha256(body)).bytes({});
    const Bytes row = fields.take();
    const auto record_key = crypto::hkdf_sha256(root_key(), "hwvault/store/record/1");
    CHECK(hash_of(row_of(body, std::nullopt)) == crypto::sha256(row));
    CHECK(keys.tag(row_of(body, std::nullopt)).mac == crypto::hmac_sha256(record_key, row));
    CHECK(keys.tag(row_of(body, std::nullopt)).mac != keys.head_mac(row));

    const Bytes term = FieldWriter().bytes(id_of('t', 1)).number(3).bytes(filled(1)).take();
    const auto set_key = crypto::hkdf_sha256(root_key(), "hwvault/store/set/1");
    CHECK(keys.term(id_of('t', 1), 3, filled(1)) == crypto::hmac_sha256(set_key, term));
    CHECK(keys.term(id_of('t', 1), 3, filled(1)) != keys.head_mac(term));
}
