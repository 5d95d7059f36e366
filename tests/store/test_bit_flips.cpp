// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Any bit of the file: the store is refused, or is exactly the same and goes on working.
#include <cstdio>
#include <random>

#include "tests/store/fixture.h"

using namespace hwvault;
using namespace hwvault::store;
using namespace hwvault::store::testing;

namespace {

constexpr std::size_t kFirstVersionByte = 60;  // `user_version` in SQLite's header: four bytes
constexpr std::size_t kVersionByte = 63;       // the lowest of them; one bit is set in version 4
constexpr std::size_t kSqliteHeaderSize = 100;

struct Outcome {
    int refused{0};
    int unharmed{0};
};

class Flipper {
public:
    explicit Flipper(const path& original)
        : flipped_(original.string() + ".flipped"),
          bytes_(file_bytes(original)),
          before_(*read_all(original, root_key())) {}

    void flip(std::size_t bit) {
        const std::size_t byte = bit / 8;
        INFO("bit " << bit % 8 << " of byte " << byte);
        Bytes changed = bytes_;
        changed[byte] = static_cast<std::uint8_t>(changed[byte] ^ (1U << bit % 8));
        std::filesystem::remove(wal_of(flipped_));
        write_bytes(flipped_, changed);
        const auto all = read_all(flipped_, root_key());
        if (all) {
            CHECK(*all == before_);
            // Each such check syncs the disk a few times: enough of them, not all.
            if (++outcome.unharmed % 10 == 0) check_goes_on();
            return;
        }
        ++outcome.refused;
        INFO(all.error().message);
        // A version that became larger cannot be told from that of a newer program.
        const bool is_newer = byte >= kFirstVersionByte && byte <= kVersionByte && !(byte == kVersionByte && bit % 8 == 2);
        CHECK(all.error().code == (is_newer ? ErrorCode::kInvalidArgument : ErrorCode::kStoreTampered));
        CHECK(file_bytes(flipped_) == changed);
    }

    [[nodiscard]] std::size_t bits() const { return bytes_.size() * 8; }
    Outcome outcome;

private:
    // No harm lies in wait for the next write.
    void check_goes_on() {
        {
            OpenStore open = open_store(flipped_, root_key());
            vault::Change change;
            for (std::uint64_t number = 50; number < 60; ++number) {
                const auto token = imported_token_of(number, account_of(2, "app:deploy"), "more");
                change.tokens.push_back({token, false, Bytes(5'000, 1)});
            }
            REQUIRE(open.commit(std::move(change)));
        }
        const auto all = read_all(flipped_, root_key());
        REQUIRE(all);
        CHECK(all->tokens.size() == before_.tokens.size() + 10);
    }

    path flipped_;
    Bytes bytes_;
    Snapshot before_;
};

path store_with_free_pages(const TemporaryFolder& folder) {
    const path file = sample_store(folder);
    OpenStore open = open_store(file, root_key());
    const auto deploy = account_of(2, "app:deploy");
    vault::Change many;
    for (std::uint64_t number = 100; number < 160; ++number) {
        many.tokens.push_back({token_of(number, deploy, "t" + std::to_string(number)), false, std::nullopt});
    }
    REQUIRE(open.commit(std::move(many)));
    REQUIRE(open.commit(put(imported_token_of(9, deploy, "kept"), Bytes(30'000, 4))));
    REQUIRE(open.commit(put(imported_token_of(8, deploy, "large"), Bytes(20'000, 3))));
    REQUIRE(open.commit(erase(imported_token_of(8, deploy, "large")), true));
    return file;
}

}  // namespace

TEST_CASE("Every bit of SQLite's own header is either checked or without meaning") {
    const TemporaryFolder folder;
    Flipper flipper{store_with_free_pages(folder)};
    for (std::size_t bit = 0; bit < kSqliteHeaderSize * 8; ++bit) flipper.flip(bit);
    std::printf("header: %d flips refused, %d without effect\n", flipper.outcome.refused, flipper.outcome.unharmed);
    CHECK(flipper.outcome.refused > 300);
}

TEST_CASE("A random bit of the file is either checked or without meaning") {
    const TemporaryFolder folder;
    Flipper flipper{store_with_free_pages(folder)};
    std::mt19937 random{42};
    for (int round = 0; round < 600; ++round) flipper.flip(random() % flipper.bits());
    std::printf("file: %d flips refused, %d without effect\n", flipper.outcome.refused, flipper.outcome.unharmed);
    CHECK(flipper.outcome.refused > 50);
}
