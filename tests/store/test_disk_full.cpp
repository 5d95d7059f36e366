// SPDX-License-Identifier: LGPL-2.1-or-later
//
// A full disk: a commit fails in words, changes nothing, and works again when there is room.
#include <cerrno>
#include <cstdio>
#include <cstring>

#include <sched.h>
#include <sys/mount.h>

#include "tests/store/fixture.h"

using namespace hwvault;
using namespace hwvault::store;
using namespace hwvault::store::testing;

namespace {

// A small file system that only this process sees: one megabyte, or `size` as mount(8) has it.
class SmallDisk {
public:
    explicit SmallDisk(const std::string& size = "1m") {
        if (::unshare(CLONE_NEWNS) != 0 || ::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0 ||
            ::mount("tmpfs", folder_.get().c_str(), "tmpfs", 0, ("size=" + size).c_str()) != 0) {
            WARN("skipped: no small file system can be mounted here: " << std::strerror(errno));
            return;
        }
        mounted_ = true;
    }
    SmallDisk(const SmallDisk&) = delete;
    SmallDisk& operator=(const SmallDisk&) = delete;
    ~SmallDisk() {
        if (mounted_) ::umount2(folder_.get().c_str(), MNT_DETACH);
    }
    [[nodiscard]] bool mounted() const { return mounted_; }
    [[nodiscard]] const TemporaryFolder& folder() const { return folder_; }

    // Leaves no byte free.
    [[nodiscard]] path fill() const {
        path ballast = folder_.get() / "ballast";
        std::FILE* file = std::fopen(ballast.c_str(), "w");
        REQUIRE(file != nullptr);
        std::setvbuf(file, nullptr, _IONBF, 0);
        const std::string block(1'024, 'x');
        while (std::fwrite(block.data(), 1, block.size(), file) == block.size()) continue;
        REQUIRE(errno == ENOSPC);
        std::fclose(file);
        return ballast;
    }

private:
    TemporaryFolder folder_;
    bool mounted_{false};
};

}  // namespace

TEST_CASE("A full disk fails a commit in words, and the store goes on when there is room") {
    const SmallDisk disk;
    if (!disk.mounted()) return;
    const auto deploy = account_of(2, "app:deploy");
    const path file = sample_store(disk.folder());
    OpenStore open = open_store(file, root_key());
    const path ballast = disk.fill();

    Result<void> written{};
    std::uint64_t number = 10;
    for (; written && number < 1'000; ++number) written = open.commit(put(token_of(number, deploy, "t")), true);
    REQUIRE_FALSE(written);
    CHECK(written.error().code == ErrorCode::kQuotaExceeded);
    CHECK(written.error().message.find("is full") != std::string::npos);
    CHECK_FALSE(open.commit(put(imported_token_of(number, deploy, "big"), Bytes(100'000, 1))));
    const LastUse use{.token = id_of('t', 4), .at = 5'000, .place = 0};
    CHECK(open.store->save_uses({&use, 1}, 9'000).error().code == ErrorCode::kQuotaExceeded);
    const auto content = open.store->read_content(id_of('t', 4));
    REQUIRE(content);
    CHECK(*content == Bytes(3'000, 0x5a));

    REQUIRE(std::filesystem::remove(ballast));
    REQUIRE(open.commit(put(token_of(number, deploy, "t")), true));
    const std::uint64_t epoch = open.epoch;
    open.store.reset();
    const auto all = read_all(file, root_key());
    REQUIRE(all);
    CHECK(all->epoch == epoch);
    CHECK(all->tokens.back().id == id_of('t', number));
}

TEST_CASE("A store of an older version is taken up on a full disk, with what was kept for that") {
    const SmallDisk disk("64m");
    if (!disk.mounted()) return;
    const path file = sample_store(disk.folder());
    const auto before = read_all(file, root_key());
    edit_raw(file, "DROP TABLE uses; PRAGMA user_version = 3");
    const path ballast = disk.fill();
    CHECK(read_all(file, root_key()) == before);
    REQUIRE(std::filesystem::remove(ballast));
    CHECK(read_all(file, root_key()) == before);
    CHECK(open_store(file, root_key()).store->has_reserve());
}

TEST_CASE("A full disk takes what was kept for it, and at the end revocations alone") {
    const SmallDisk disk("64m");
    if (!disk.mounted()) return;
    const auto deploy = account_of(2, "app:deploy");
    const path file = sample_store(disk.folder());
    OpenStore open = open_store(file, root_key());
    CHECK(open.store->has_reserve());
    const path ballast = disk.fill();
    REQUIRE(open.commit(put(imported_token_of(10, deploy, "big"), Bytes(1 << 20, 1))));
    CHECK_FALSE(open.store->has_reserve());

    Result<void> written{};
    std::uint64_t number = 11;
    for (; written && number < 100; ++number) {
        written = open.commit(put(imported_token_of(number, deploy, "big"), Bytes(1 << 20, 1)));
    }
    REQUIRE_FALSE(written);
    CHECK(written.error().code == ErrorCode::kQuotaExceeded);
    CHECK(number > 12);  // what was kept for all holds some of them
    CHECK(std::filesystem::exists(file.string() + ".reserve-revocations"));
    vault::Token revoked = token_of(2, deploy, "ci");
    revoked.revoked = true;
    CHECK_FALSE(open.commit(put(imported_token_of(11, deploy, "big"), Bytes(1 << 20, 2)), true));  // in the place of one
    CHECK(std::filesystem::exists(file.string() + ".reserve-revocations"));
    Batch urgent;
    urgent.changes.push_back(put(revoked));
    urgent.epoch = ++open.epoch;
    urgent.time_mark = open.time;
    urgent.urgent = true;
    REQUIRE(open.store->commit(urgent));
    CHECK_FALSE(std::filesystem::exists(file.string() + ".reserve-revocations"));

    REQUIRE(std::filesystem::remove(ballast));
    REQUIRE(open.commit(put(token_of(3, deploy, "release"))));
    CHECK(open.store->has_reserve());
    open.store.reset();
    const auto all = read_all(file, root_key());
    REQUIRE(all);
    CHECK(all->epoch == open.epoch);
}

TEST_CASE("A store on a full disk opens, and is closed without loss") {
    const SmallDisk disk;
    if (!disk.mounted()) return;
    const path file = sample_store(disk.folder());
    const path crashed = disk.folder().get() / "crashed.db";
    OpenStore open = open_store(file, root_key());
    REQUIRE(open.commit(put(account_of(9, "user:bob")), true));
    copy_store(file, crashed);
    open.store.reset();
    const path ballast = disk.fill();
    const auto all = read_all(crashed, root_key());
    REQUIRE(all);
    CHECK(all->accounts.size() == 3);
    const auto again = read_all(crashed, root_key());
    REQUIRE(again);
    CHECK(*again == *all);
}

TEST_CASE("A store that does not fit on the disk is not made") {
    const SmallDisk disk;
    if (!disk.mounted()) return;
    const path ballast = disk.fill();
    const path file = disk.folder().get() / "store.db";
    const Header header{.vault = id_of('v', 1), .prefix = "hwv_"};
    const auto made = Store::create(file, header, root_key(), {0, {}});
    REQUIRE_FALSE(made);
    CHECK(made.error().code == ErrorCode::kQuotaExceeded);
    for (const char* suffix : {"", ".new", ".new-wal", ".new-journal"}) {
        CHECK_FALSE(std::filesystem::exists(file.string() + suffix));
    }
    REQUIRE(std::filesystem::remove(ballast));
    CHECK(Store::create(file, header, root_key(), {0, {}}));
}
