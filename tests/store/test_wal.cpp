// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The -wal: what a crash leaves is taken, what it cannot have left is found.
#include <algorithm>
#include <random>

#include "daemon/store/wal.h"
#include "tests/store/fixture.h"

using namespace hwvault;
using namespace hwvault::store;
using namespace hwvault::store::testing;

namespace {

constexpr std::size_t kHeaderSize = 32;
constexpr std::size_t kFrameSize = 24 + 4096;

// A store with four commits in its -wal, each withdrawing, as a crash would leave it; and what each of them made.
struct Crashed {
    path file;
    std::vector<Snapshot> states;           // after 0, 1, 2, ... commits
    std::vector<std::size_t> sizes;         // of the -wal then
};

Crashed crashed_store(const TemporaryFolder& folder) {
    const path work = sample_store(folder);
    const path copy = folder.get() / "copy.db";
    Crashed crashed{folder.get() / "crashed.db", {}, {kHeaderSize}};
    OpenStore open = open_store(work, root_key());
    copy_store(work, copy);
    crashed.states.push_back(*read_all(copy, root_key()));
    for (std::uint64_t number = 10; number < 14; ++number) {
        REQUIRE(open.commit(put(token_of(number, account_of(2, "app:deploy"), "t" + std::to_string(number))), true));
        copy_store(work, copy);
        crashed.sizes.push_back(std::filesystem::file_size(wal_of(copy)));
        crashed.states.push_back(*read_all(copy, root_key()));
    }
    copy_store(work, crashed.file);
    return crashed;
}

// Reads a copy, so that the one given keeps its -wal.
Result<Snapshot> read_copy(const path& file) {
    const path copy = file.string() + ".copy";
    copy_store(file, copy);
    return read_all(copy, root_key());
}

}  // namespace

TEST_CASE("What is in the -wal after a crash is there when the store is opened again") {
    const TemporaryFolder folder;
    const Crashed crashed = crashed_store(folder);
    const auto all = read_copy(crashed.file);
    REQUIRE(all);
    CHECK(*all == crashed.states.back());
    CHECK(all->epoch == 5);
}

TEST_CASE("A -wal cut anywhere, or gone, gives what was committed before the cut, and an epoch that tells") {
    const TemporaryFolder folder;
    const Crashed crashed = crashed_store(folder);
    const Bytes wal = file_bytes(wal_of(crashed.file));
    for (std::size_t size = 0; size <= wal.size(); size += 1'111) {
        INFO(size);
        write_bytes(wal_of(crashed.file), BytesView{wal}.first(size));
        const auto all = read_copy(crashed.file);
        REQUIRE(all);
        std::size_t commits = 0;
        while (commits + 1 < crashed.sizes.size() && crashed.sizes[commits + 1] <= size) ++commits;
        CHECK(*all == crashed.states[commits]);
        CHECK((commits == 4 || all->device_target < crashed.states.back().device_target));
    }
    std::filesystem::remove(wal_of(crashed.file));
    const auto all = read_copy(crashed.file);
    REQUIRE(all);
    CHECK(*all == crashed.states.front());
}

TEST_CASE("A bit changed in the -wal is found, or is in the last commit, which then is as if it had not been made") {
    const TemporaryFolder folder;
    const Crashed crashed = crashed_store(folder);
    const Bytes wal = file_bytes(wal_of(crashed.file));
    const std::size_t last_commit = crashed.sizes[crashed.sizes.size() - 2];
    std::mt19937 random{7};
    for (int round = 0; round < 300; ++round) {
        Bytes changed = wal;
        const std::size_t byte = random() % changed.size();
        changed[byte] = static_cast<std::uint8_t>(changed[byte] ^ (1U << random() % 8));
        write_bytes(wal_of(crashed.file), changed);
        INFO("byte " << byte << " of " << wal.size() << ", last commit from " << last_commit);
        const auto all = read_copy(crashed.file);
        if (all) {
            CHECK(byte >= last_commit);
            CHECK(*all == crashed.states[crashed.states.size() - 2]);
        } else {
            CHECK(all.error().code == ErrorCode::kStoreTampered);
        }
    }
}

TEST_CASE("A -wal whose header was changed is found") {
    const TemporaryFolder folder;
    const Crashed crashed = crashed_store(folder);
    const Bytes wal = file_bytes(wal_of(crashed.file));
    for (std::size_t byte = 0; byte < kHeaderSize; ++byte) {
        INFO(byte);
        Bytes changed = wal;
        changed[byte] ^= 0x10;
        write_bytes(wal_of(crashed.file), changed);
        const auto all = read_copy(crashed.file);
        REQUIRE_FALSE(all);
        CHECK(all.error().code == ErrorCode::kStoreTampered);
    }
}

TEST_CASE("The -wal of another vault is found") {
    const TemporaryFolder folder;
    const path file = sample_store(folder);
    const path other = new_store(folder, "other.db", 2);
    OpenStore open = open_store(other, root_key(2));
    fill_sample(open);
    std::filesystem::copy_file(wal_of(other), wal_of(file));
    const auto all = read_all(file, root_key());
    REQUIRE_FALSE(all);
    CHECK(all.error().code == ErrorCode::kStoreTampered);
}

TEST_CASE("An older -wal of the same store is found, or gives an older state whose epoch tells") {
    const TemporaryFolder folder;
    const Crashed crashed = crashed_store(folder);
    const path now = folder.get() / "now.db";
    copy_store(crashed.file, now);
    OpenStore open = open_store(now, root_key());
    for (std::uint64_t number = 20; number < 60; ++number) {
        const auto account = account_of(number, "app:a" + std::to_string(number));
        REQUIRE(open.commit(put(account)));
        REQUIRE(open.commit(put(token_of(number, account, "t")), true));
    }
    const std::uint64_t device = open.epoch + 40;
    open.store.reset();
    std::filesystem::copy_file(wal_of(crashed.file), wal_of(now));
    const auto all = read_all(now, root_key());
    const bool found = !all && all.error().code == ErrorCode::kStoreTampered;
    CHECK((found || all->device_target < device));
}

TEST_CASE("A -wal that is empty, or has a part of a header or nothing after it, is what a crash leaves") {
    const TemporaryFolder folder;
    const path wal = folder.get() / "x-wal";
    CHECK(check_wal(wal));
    for (const std::size_t size : {std::size_t{0}, std::size_t{1}, kHeaderSize}) {
        write_bytes(wal, Bytes(size, 0));
        CHECK(check_wal(wal));
    }
    write_bytes(wal, Bytes(kHeaderSize + 1, 0));
    CHECK_FALSE(check_wal(wal));
}

TEST_CASE("A -wal with one spoilt commit at its end is what a crash leaves, with two it is not") {
    const TemporaryFolder folder;
    const Crashed crashed = crashed_store(folder);
    const Bytes wal = file_bytes(wal_of(crashed.file));
    const auto with_spoilt = [&](std::size_t commit) {
        Bytes changed = wal;
        changed[crashed.sizes[commit] + 24 + 100] ^= 1;  // in the first page of what came after that many commits
        write_bytes(wal_of(crashed.file), changed);
        return check_wal(wal_of(crashed.file));
    };
    CHECK(with_spoilt(3));
    CHECK_FALSE(with_spoilt(2));
    CHECK_FALSE(with_spoilt(0));
    CHECK((wal.size() - kHeaderSize) % kFrameSize == 0);
}

TEST_CASE("The -wal is moved into the file before it grows without bound") {
    const TemporaryFolder folder;
    const path file = sample_store(folder);
    OpenStore open = open_store(file, root_key());
    const auto size = std::filesystem::file_size(file);
    std::uintmax_t largest = 0;
    for (std::uint64_t number = 100; number < 500; ++number) {
        REQUIRE(open.commit(put(token_of(number, account_of(2, "app:deploy"), "t" + std::to_string(number)))));
        largest = std::max(largest, std::filesystem::file_size(wal_of(file)));
    }
    CHECK(largest < 1'100 * kFrameSize);
    CHECK(std::filesystem::file_size(file) > size);
}
