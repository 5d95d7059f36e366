// SPDX-License-Identifier: LGPL-2.1-or-later
//
// A store of several batches, which other threads check: whatever is wrong is told as if the rows had been read one by one.
#include "tests/store/fixture.h"

using namespace hwvault;
using namespace hwvault::store;
using namespace hwvault::store::testing;

namespace {

constexpr std::uint64_t kTokens = 13'000;  // four batches

// Row 1 is the account, and token N is row N + 2.
path large_store(const TemporaryFolder& folder) {
    const path file = new_store(folder);
    OpenStore open = open_store(file, root_key());
    const auto account = account_of(2, "app:deploy");
    Batch batch;
    batch.epoch = open.epoch;
    batch.time_mark = open.time;
    batch.changes.push_back(put(account));
    for (std::uint64_t i = 0; i < kTokens; ++i) {
        batch.changes.push_back(put(token_of(i, account, "t" + std::to_string(i))));
    }
    REQUIRE(open.store->commit(batch));
    return file;
}

std::string refusal_of(const path& file) {
    const auto opened = Store::open(file, root_key());
    REQUIRE_FALSE(opened);
    CHECK(opened.error().code == ErrorCode::kStoreTampered);
    return opened.error().message;
}

}  // namespace

TEST_CASE("Every record of a large store comes once, in the order of the file") {
    const TemporaryFolder folder;
    const path file = large_store(folder);
    Records all;
    std::size_t times = 0;
    const TakeRecords add = add_to(all);
    REQUIRE(Store::open(file, root_key(), [&](Records some) {
        ++times;
        add(std::move(some));
    }));
    CHECK(times > 3);
    CHECK(all.accounts.size() == 1);
    REQUIRE(all.tokens.size() == kTokens);
    for (std::uint64_t i = 0; i < kTokens; ++i) CHECK(all.tokens[i].name.text() == "t" + std::to_string(i));
}

TEST_CASE("Of several rows that were changed, the first one is named, with its account from far before") {
    const TemporaryFolder folder;
    const path file = large_store(folder);
    edit_raw(file, "UPDATE records SET version = version + 1 WHERE row IN (9002, 9003, 12500)");
    CHECK(refusal_of(file).find("the token `t9000` of `app:deploy` (row 9002)") != std::string::npos);
    // A later row that is none at all is not told before it.
    edit_raw(file, "UPDATE records SET mac = x'00' WHERE row = 9010");
    CHECK(refusal_of(file).find("(row 9002)") != std::string::npos);
    edit_raw(file, "UPDATE records SET mac = x'00' WHERE row = 5");
    CHECK(refusal_of(file).find("row 5 of its records does not read as one") != std::string::npos);
}

TEST_CASE("A row that is there twice is found, however far away the other one is") {
    const TemporaryFolder folder;
    const path file = large_store(folder);
    edit_raw(file, "INSERT INTO records (kind, id, version, body, content, mac, escrow)"
                   " SELECT kind, id, version, body, content, mac, escrow FROM records WHERE row = 3");
    CHECK(refusal_of(file).find("the token `t1` of `app:deploy` is there twice") != std::string::npos);
}
