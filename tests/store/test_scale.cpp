// SPDX-License-Identifier: LGPL-2.1-or-later
//
// How opening and writing grow with the store. Times are printed, not judged: machines differ.
#include <chrono>
#include <cstdio>

#include "tests/store/fixture.h"

using namespace hwvault;
using namespace hwvault::store;
using namespace hwvault::store::testing;

namespace {

using Clock = std::chrono::steady_clock;

double milliseconds_since(Clock::time_point start) {
    return std::chrono::duration<double, std::milli>(Clock::now() - start).count();
}

// Writes tokens up to `count`, 1,000 a batch.
void grow_to(OpenStore& open, std::uint64_t& have, std::uint64_t count) {
    const auto account = account_of(2, "app:deploy");
    while (have < count) {
        Batch batch;
        batch.epoch = open.epoch;
        batch.time_mark = open.time;
        for (int i = 0; i < 1'000; ++i, ++have) {
            batch.changes.push_back(put(token_of(1'000 + have, account, "t" + std::to_string(have))));
        }
        REQUIRE(open.store->commit(batch));
    }
}

struct Cost {
    double milliseconds;
    std::uintmax_t bytes;
};

// Of one commit, measured over twenty; the bytes are those that reach the -wal.
Cost cost_of_commit(OpenStore& open, const path& file) {
    constexpr int kCommits = 20;
    const auto size = std::filesystem::file_size(wal_of(file));
    const auto start = Clock::now();
    for (std::uint64_t i = 0; i < kCommits; ++i) {
        REQUIRE(open.commit(put(token_of(1 + i, account_of(2, "app:deploy"), "same")), true));
    }
    return {milliseconds_since(start) / kCommits, (std::filesystem::file_size(wal_of(file)) - size) / kCommits};
}

}  // namespace

TEST_CASE("A store of 10,000 tokens opens, and a write costs no more than in a small one") {
    const TemporaryFolder folder;
    const path file = new_store(folder);
    std::uint64_t have = 0;
    Cost costs[2]{};
    for (const std::uint64_t count : {std::uint64_t{1'000}, std::uint64_t{10'000}}) {
        {
            OpenStore open = open_store(file, root_key());
            grow_to(open, have, count);
        }
        const auto start = Clock::now();
        OpenStore open = open_store(file, root_key());
        const double opened = milliseconds_since(start);
        const auto first = open.commit(put(account_of(2, "app:deploy")));  // so that there is a -wal
        REQUIRE(first);
        Cost& cost = costs[count == 1'000 ? 0 : 1];
        cost = cost_of_commit(open, file);
        std::printf("%5llu tokens: opened in %.0f ms, a commit takes %.2f ms and writes %llu bytes\n",
                    static_cast<unsigned long long>(count), opened, cost.milliseconds,
                    static_cast<unsigned long long>(cost.bytes));
    }
    // Pages of the b-trees' depth at most: nothing that grows with the number of records.
    CHECK(costs[1].bytes <= 2 * costs[0].bytes);
}
