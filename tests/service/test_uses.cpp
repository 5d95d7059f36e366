// SPDX-License-Identifier: LGPL-2.1-or-later
//
// When tokens were last used, over a restart, a crash and a change; and the sweep that saves it, with a store that takes it or not.
#include <mutex>
#include <set>

#include <sqlite3.h>

#include "crypto/random.h"
#include "daemon/service/use_sweep.h"
#include "tests/service/harness.h"

using namespace hwvault;
using namespace hwvault::service;

namespace {

vault::Info own_info(Harness& vault, const std::string& name = "") {
    return vault.service().describe(vault.alice, "", name).value();
}

// Of a file that nobody has open. The first value of the last row, 0 where there is none.
std::int64_t ask_file(const std::filesystem::path& file, const std::string& sql) {
    sqlite3* connection = nullptr;
    REQUIRE(sqlite3_open(file.c_str(), &connection) == SQLITE_OK);
    std::int64_t value = 0;
    const auto take = [](void* to, int, char** values, char**) {
        *static_cast<std::int64_t*>(to) = std::stoll(values[0]);
        return 0;
    };
    REQUIRE(sqlite3_exec(connection, sql.c_str(), take, &value, nullptr) == SQLITE_OK);
    REQUIRE(sqlite3_close(connection) == SQLITE_OK);
    return value;
}

// Whether a crash at this moment would leave that a token was used at `at`.
bool is_saved(Harness& vault, vault::UnixTime at) {
    const TemporaryFolder folder;
    copy_store(vault, folder.path() / "copy");
    return ask_file(folder.path() / "copy/store.db", "SELECT count(*) FROM uses WHERE at = " + std::to_string(at)) > 0;
}

void write_all_stamps(Harness& vault, std::uint32_t at) {
    auto handed = vault.service().verify_index(vault.root).value();
    const auto memory = os::SharedMemory::map(std::move(handed.stamps), os::SharedMemory::Others::kWrite).value();
    auto* const stamps = reinterpret_cast<index::Stamp*>(memory.data());
    for (std::size_t i = 0; i < memory.size() / sizeof *stamps; ++i) stamps[i] = at;
}

// Takes uses, or says that it is full.
class Shelf final : public store::Store {
public:
    std::atomic<bool> full{false};

    // By transaction.
    [[nodiscard]] std::vector<std::vector<store::LastUse>> saved() const {
        const std::lock_guard lock(mutex_);
        return saved_;
    }

    store::Contents take_contents() override { return {}; }
    Result<void> commit(const store::Batch&) override { return {}; }
    Result<std::optional<vault::Token>> read_token(const vault::Id&) override { return std::optional<vault::Token>{}; }
    Result<std::optional<Bytes>> read_content(const vault::Id&) override { return std::optional<Bytes>{}; }
    Result<void> visit_events(std::uint64_t, const std::function<bool(const vault::EventLink&)>&) override { return {}; }
    Result<void> save_uses(std::span<const store::LastUse> uses, vault::UnixTime) override {
        if (full) return Error{ErrorCode::kQuotaExceeded, "The disk is full."};
        const std::lock_guard lock(mutex_);
        saved_.emplace_back(uses.begin(), uses.end());
        return {};
    }
    [[nodiscard]] std::uint64_t place_of(const vault::Id& token) const override { return 1U + token[1]; }
    Result<void> rebase(const store::DeviceCounter&, const store::Batch&) override { return {}; }
    Result<void> set_recipient(std::optional<crypto::Digest>, const store::Batch&) override { return {}; }
    [[nodiscard]] bool has_reserve() const override { return true; }
    vault::Checkpoint next_checkpoint(std::uint64_t) override { return {}; }

private:
    mutable std::mutex mutex_;
    std::vector<std::vector<store::LastUse>> saved_;
};

// A sweep with nothing around it.
struct LoneSweep {
    boost::asio::io_context io{1};
    boost::asio::thread_pool store_thread{1};
    boost::asio::thread_pool background{1};
    Shelf shelf;
    vault::Vault vault{vault::Id{1}, "hwv_", {}};
    LastUses last_uses;
    bool disk_has_room{true};
    std::vector<std::string> troubles;
    bool stopped{false};
    vault::UnixTime now{1'000};
    std::shared_ptr<VerifyIndex> index = std::make_shared<VerifyIndex>(
        VerifyIndex::Parts{.strand = io.get_executor(),
                           .background = background,
                           .vault = vault,
                           .clock = [this] { return now; },
                           .used = {}},
        index::Writer::make("hwv_", index::kMinSlots).value());
    std::shared_ptr<UseSweep> sweep = std::make_shared<UseSweep>(
        UseSweep::Parts{.strand = io.get_executor(),
                        .store_thread = store_thread,
                        .background = background,
                        .store = shelf,
                        .index = index,
                        .last_uses = last_uses,
                        .clock = [this] { return now; },
                        .disk_has_room = [this] { return disk_has_room; },
                        .trouble = [this](const std::string& what) { troubles.push_back(what); },
                        .interval = std::chrono::milliseconds(10)});

    template <class Condition>
    void until(Condition reached) {
        const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(30);
        while (!reached()) {
            io.restart();
            io.run_for(std::chrono::milliseconds(5));
            REQUIRE(std::chrono::steady_clock::now() < deadline);
        }
    }
    void begin_to_stop() {
        boost::asio::co_spawn(io, sweep->stop(), [this](const std::exception_ptr&) { stopped = true; });
    }
    void stop() {
        begin_to_stop();
        until([&] { return stopped; });
    }
    void use(std::size_t tokens) {
        for (std::size_t i = 0; i < tokens; ++i) {
            last_uses.saw({2, static_cast<std::uint8_t>(i * 7), static_cast<std::uint8_t>(i), static_cast<std::uint8_t>(i >> 8)}, now, "somebody");
        }
    }
    [[nodiscard]] std::size_t saved() const {
        std::size_t count = 0;
        for (const auto& some : shelf.saved()) count += some.size();
        return count;
    }
};

}  // namespace

TEST_CASE("When a token was last used is known after a regular end, to the second, and a change of its string takes nothing from it") {
    Harness vault;
    const std::string text = vault.get(vault.alice);
    CHECK(vault.run(vault.service().create(vault.alice, "", "rotated", {})));
    const std::string rotated = vault.get(vault.alice, "", "rotated");
    CHECK(vault.run(vault.service().create(vault.alice, "", "unused", {})));
    vault.now += 100;
    CHECK(vault.active(text));
    CHECK(vault.active(rotated));
    const vault::UnixTime verified_at = vault.now;
    vault.now += 100;
    SECTION("as it is") {}
    SECTION("with a successor that nobody has") { CHECK(vault.run(vault.service().revoke(vault.alice, "", "", 0))); }
    SECTION("with other rules, and so another table") {
        vault.service().set_policy(std::make_shared<const policy::Policy>(
            policy::Policy::of({{"50-default.toml", std::string(policy::default_rules()) + "\n"}}).value()));
        vault.until([&] { return vault.service().verify_index(vault.root).has_value(); });
    }
    CHECK(vault.run(vault.service().rotate(vault.alice, "", "rotated", 0, 1'000)));
    for (int starts = 0; starts < 3; ++starts) {
        for (const char* const name : {"", "rotated"}) {
            CHECK(own_info(vault, name).last_used_at == verified_at);
            CHECK(own_info(vault, name).last_used_by.empty());
        }
        CHECK(own_info(vault, "unused").last_used_at == 0);
        vault.restart();
    }
    CHECK(vault.active(rotated));
    CHECK(own_info(vault, "rotated").last_used_at == vault.now);
}

TEST_CASE("After a crash it is known as of the last sweep") {
    Harness vault;
    const std::string text = vault.get(vault.alice);
    vault.shut();
    vault.use_interval = std::chrono::milliseconds(20);
    vault.now += 100;
    vault.start();
    CHECK(vault.active(text));
    const vault::UnixTime swept = vault.now;
    vault.until([&] { return is_saved(vault, swept); });
    const TemporaryFolder crash;
    copy_store(vault, crash.path() / "store");
    vault.now += 100;
    CHECK(vault.active(text));
    vault.shut();
    put_back(vault, crash.path() / "store");
    vault.start();
    CHECK(own_info(vault).last_used_at == swept);
}

TEST_CASE("A use that only the trail tells after a crash is saved, and one that is saved is not replaced by an older of the trail") {
    Harness vault;
    const std::string text = vault.get(vault.alice);
    const vault::UnixTime retrieved_at = vault.now;
    CHECK(vault.run(vault.service().create(vault.alice, "", "other", {})));
    vault.get(vault.alice, "", "other");
    vault.now += 100;
    CHECK(vault.active(text));
    const vault::UnixTime verified_at = vault.now;
    vault.shut();
    REQUIRE(ask_file(vault.file(), "DELETE FROM uses WHERE at = " + std::to_string(retrieved_at) + "; SELECT count(*) FROM uses") == 1);
    vault.start();
    vault.shut();
    CHECK(ask_file(vault.file(), "SELECT at FROM uses ORDER BY at LIMIT 1") == static_cast<std::int64_t>(retrieved_at));
    CHECK(ask_file(vault.file(), "SELECT max(at) FROM uses") == static_cast<std::int64_t>(verified_at));
}

TEST_CASE("What the store alone tells of a token is when it was used, and nobody who did") {
    Harness vault;
    CHECK(vault.run(vault.service().import(vault.alice, "", "imported", SecretBytes::copy_of(bytes_of("a secret")), {})));
    CHECK(vault.run(vault.service().create(vault.alice, "", "never-given", {})));
    vault.shut();
    ask_file(vault.file(), "INSERT INTO uses SELECT row, " + std::to_string(vault.now + 10) + " FROM records WHERE kind = 2");
    vault.now += 20;
    vault.start();
    for (const char* const name : {"imported", "never-given"}) {
        CHECK(own_info(vault, name).last_used_at == vault.now - 10);
        CHECK(own_info(vault, name).last_used_by.empty());
    }
    vault.get(vault.alice, "", "imported");
    CHECK(own_info(vault, "imported").last_used_at == vault.now);
    CHECK(own_info(vault, "imported").last_used_by == "user:alice");
    CHECK(vault.run(vault.service().erase(vault.alice, "", "never-given")));
    CHECK(vault.run(vault.service().create(vault.alice, "", "never-given", {})));
    vault.restart();
    CHECK(own_info(vault, "never-given").last_used_at == 0);
}

TEST_CASE("A use in the future is neither shown nor saved, whoever wrote it, and hides no later one") {
    Harness vault;
    const std::string text = vault.get(vault.alice);
    const vault::UnixTime retrieved_at = vault.now;
    const vault::UnixTime future = vault.now + 1'000'000;
    vault.now += 10;
    SECTION("a reader of the index") {
        write_all_stamps(vault, static_cast<std::uint32_t>(future));
        CHECK(own_info(vault).last_used_at == retrieved_at);
        vault.shut();
        CHECK(ask_file(vault.file(), "SELECT max(at) FROM uses") == static_cast<std::int64_t>(retrieved_at));
        vault.start();
    }
    SECTION("somebody with the store's file") {
        for (const char* const name : {"imported", "retrieved"}) {
            CHECK(vault.run(vault.service().import(vault.alice, "", name, SecretBytes::copy_of(bytes_of("a secret")), {})));
        }
        vault.get(vault.alice, "", "retrieved");
        vault.shut();
        ask_file(vault.file(), "INSERT OR REPLACE INTO uses SELECT row, " + std::to_string(future) + " FROM records");
        vault.start();
        CHECK(own_info(vault, "imported").last_used_at == 0);
        CHECK(own_info(vault, "retrieved").last_used_at == vault.now);
    }
    CHECK(own_info(vault).last_used_at == retrieved_at);
    CHECK(vault.active(text));
    CHECK(own_info(vault).last_used_at == vault.now);
    vault.restart();
    CHECK(own_info(vault).last_used_at == vault.now);
}

TEST_CASE("A sweep writes what was used since the last one, in small transactions and in the order of the file") {
    LoneSweep alone;
    alone.use(3'500);
    alone.sweep->start();
    alone.until([&] { return alone.saved() >= 3'500; });
    alone.now += 100;
    alone.use(10);
    alone.until([&] { return alone.shelf.saved().back().size() == 10; });  // what was used at the very second comes once more before
    alone.stop();
    const auto saved = alone.shelf.saved();
    CHECK(saved.back().size() == 10);
    std::set<vault::Id> tokens;
    std::uint64_t place = 0;
    for (std::size_t i = 0; i < 9; ++i) {
        CHECK(saved.at(i).size() <= UseSweep::kAtOnce);
        for (const store::LastUse& use : saved[i]) {
            CHECK(use.place >= place);
            place = use.place;
            tokens.insert(use.token);
        }
    }
    CHECK(tokens.size() == 3'500);
    CHECK(alone.troubles.empty());
}

TEST_CASE("A store that cannot take uses is told of once, and is given all of them when it can") {
    LoneSweep alone;
    alone.shelf.full = true;
    alone.use(100);
    alone.sweep->start();
    alone.until([&] { return !alone.troubles.empty(); });
    alone.now += 100;
    const auto later = std::chrono::steady_clock::now() + std::chrono::milliseconds(100);
    alone.until([&] { return std::chrono::steady_clock::now() > later; });
    CHECK(alone.troubles.size() == 1);
    CHECK(alone.troubles.front().find("The disk is full.") != std::string::npos);
    alone.shelf.full = false;
    alone.until([&] { return alone.saved() >= 100; });
    alone.stop();
    CHECK(alone.troubles.size() == 1);
}

TEST_CASE("A disk that is nearly full is left to what matters more") {
    LoneSweep alone;
    alone.disk_has_room = false;
    alone.use(100);
    alone.sweep->start();
    const auto later = std::chrono::steady_clock::now() + std::chrono::milliseconds(100);
    alone.until([&] { return std::chrono::steady_clock::now() > later; });
    alone.stop();
    CHECK(alone.saved() == 0);
    CHECK(alone.troubles.empty());
}

TEST_CASE("What is used while a sweep is under way is saved at the end") {
    LoneSweep alone;
    alone.use(10);
    std::promise<void> go_on;
    std::promise<void> waits;
    boost::asio::post(alone.store_thread, [&waits, held = go_on.get_future().share()] {
        waits.set_value();
        held.wait();
    });
    waits.get_future().wait();
    alone.sweep->start();
    const auto later = std::chrono::steady_clock::now() + std::chrono::milliseconds(100);
    alone.until([&] { return std::chrono::steady_clock::now() > later; });
    alone.now += 100;
    alone.use(20);
    alone.begin_to_stop();
    go_on.set_value();
    alone.until([&] { return alone.stopped; });
    std::set<vault::Id> later_ones;
    for (const auto& some : alone.shelf.saved()) {
        for (const store::LastUse& use : some) {
            if (use.at == alone.now) later_ones.insert(use.token);
        }
    }
    CHECK(later_ones.size() == 20);
}

TEST_CASE("Uses in memory are visited a few at a time, and all of them when more come meanwhile") {
    LastUses uses;
    const auto drawn_id = [] {
        vault::Id id;
        crypto::fill_random(id).value();
        return id;
    };
    for (std::size_t i = 0; i < 2'000; ++i) uses.saw(drawn_id(), i, "somebody");
    std::set<vault::Id> visited;
    const auto take = [&](const vault::Id& token, vault::UnixTime at) {
        CHECK(at >= 500);
        visited.insert(token);
    };
    LastUses::Place place;
    REQUIRE(uses.visit_some(place, 500, take));
    CHECK(visited.size() < 1'000);
    for (int i = 0; i < 10'000; ++i) uses.saw(drawn_id(), 0, "somebody");
    while (uses.visit_some(place, 500, take)) {}
    CHECK(visited.size() == 1'500);
}

TEST_CASE("What is heard of a use is believed where nothing as late was seen") {
    LastUses uses;
    uses.heard({1}, 100);
    CHECK(uses.of({1})->at == 100);
    uses.saw({1}, 200, "user:alice");
    uses.heard({1}, 200);
    CHECK(uses.of({1})->by == "user:alice");
    uses.heard({1}, 201);
    CHECK(uses.of({1})->at == 201);
    CHECK(uses.of({1})->by.empty());
}
