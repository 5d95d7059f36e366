// SPDX-License-Identifier: LGPL-2.1-or-later
#include "daemon/vault/cells.h"

#include <algorithm>
#include <map>

#include "tests/catch.h"

namespace hwvault::vault {
namespace {

Bytes run_of(std::size_t size, std::uint8_t byte) {
    return Bytes(size, byte);
}

bool holds(const Cells& cells, Cells::Ref ref, const Bytes& run) {
    return std::equal(run.begin(), run.end(), cells.at(ref));
}

TEST_CASE("Runs of any size lie side by side, over many chunks, and none touches another") {
    Cells cells;
    std::map<Cells::Ref, Bytes> runs;
    for (std::size_t i = 0; i < 3'000; ++i) {
        const Bytes run = run_of(1 + i * 37 % 3'300, static_cast<std::uint8_t>(i));
        runs[cells.put(run)] = run;
    }
    runs[cells.put(run_of(Cells::kMaxSize, 7))] = run_of(Cells::kMaxSize, 7);
    runs[cells.put(run_of(5, 8))] = run_of(5, 8);
    CHECK(runs.size() == 3'002);
    CHECK(std::ranges::all_of(runs, [&](const auto& kept) { return holds(cells, kept.first, kept.second); }));
}

TEST_CASE("The place of a dropped run goes to the next one of its size") {
    Cells cells;
    const Cells::Ref first = cells.put(run_of(9, 1));
    const Cells::Ref second = cells.put(run_of(9, 2));
    cells.drop(first, 9);
    CHECK(cells.put(run_of(13, 3)) != first);
    CHECK(cells.put(run_of(12, 4)) == first);
    CHECK(cells.put(run_of(12, 5)) != first);
    CHECK(holds(cells, first, run_of(12, 4)));
    CHECK(holds(cells, second, run_of(9, 2)));
}

}  // namespace
}  // namespace hwvault::vault
