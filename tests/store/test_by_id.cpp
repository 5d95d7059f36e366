// SPDX-License-Identifier: LGPL-2.1-or-later
#include "daemon/store/by_id.h"

#include <map>

#include "crypto/random.h"
#include "tests/store/fixture.h"

using namespace hwvault;
using namespace hwvault::store;
using namespace hwvault::store::testing;

namespace {

vault::Id random_id() {
    vault::Id id{};
    REQUIRE(crypto::fill_random(id));
    return id;
}

}  // namespace

TEST_CASE("What was put in by an id is found by it, the latest of it, until it is erased") {
    ById<int> table;
    CHECK(table.find(id_of('t', 1)) == nullptr);
    CHECK(table.insert(id_of('t', 1), 10));
    CHECK_FALSE(table.insert(id_of('t', 1), 11));
    CHECK(*table.find(id_of('t', 1)) == 10);
    table.put(id_of('t', 1), 12);
    table.put(id_of('t', 2), 20);
    CHECK(*table.find(id_of('t', 1)) == 12);
    CHECK(*table.find(id_of('t', 2)) == 20);
    table.erase(id_of('t', 1));
    table.erase(id_of('t', 3));  // was never there
    CHECK(table.find(id_of('t', 1)) == nullptr);
    CHECK(*table.find(id_of('t', 2)) == 20);
}

TEST_CASE("Ten thousand random ids, half of them erased again, are what a map of the standard library holds") {
    ById<int> table;
    table.expect(5'000);  // fewer than come
    std::map<vault::Id, int> expected;
    for (int i = 0; i < 10'000; ++i) {
        const vault::Id id = random_id();
        table.put(id, i);
        expected[id] = i;
        if (i % 2 == 0) continue;
        const vault::Id gone = expected.begin()->first;
        table.erase(gone);
        expected.erase(gone);
    }
    std::map<vault::Id, int> found;
    for (std::size_t bucket = 0; bucket < ById<int>::kBuckets; ++bucket) {
        const auto items = table.bucket(bucket);
        for (std::size_t i = 0; i < items.size(); ++i) {
            CHECK((i == 0 || items[i - 1].id < items[i].id));
            CHECK(ById<int>::bucket_of(items[i].id) == bucket);
            found[items[i].id] = items[i].value;
        }
    }
    CHECK(found == expected);
}
