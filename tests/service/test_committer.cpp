// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The committer against a store that fails when it is told to.
#include <atomic>
#include <future>
#include <stdexcept>

#include "tests/service/harness.h"

using namespace hwvault;
using namespace hwvault::service;

namespace {

class BrokenDisk final : public store::Store {
public:
    std::atomic<bool> full{false};  // set by the test, read on the store's thread
    std::atomic<bool> takes_urgent{false};
    std::atomic<int> commits{0};
    std::shared_future<void> hangs_until;  // none: it does not

    store::Contents take_contents() override { return {}; }
    Result<void> commit(const store::Batch& batch) override {
        if (hangs_until.valid()) hangs_until.wait();
        if (batch.urgent && takes_urgent) return {};
        if (full) return Error{ErrorCode::kQuotaExceeded, "The disk is full."};
        ++commits;
        return {};
    }
    Result<std::optional<vault::Token>> read_token(const vault::Id&) override { return std::optional<vault::Token>{}; }
    Result<std::optional<Bytes>> read_content(const vault::Id&) override { return std::optional<Bytes>{}; }
    Result<void> visit_events(std::uint64_t, const std::function<bool(const vault::EventLink&)>&) override { return {}; }
    Result<void> save_uses(std::span<const store::LastUse>, vault::UnixTime) override { return {}; }
    [[nodiscard]] std::uint64_t place_of(const vault::Id&) const override { return 0; }
    Result<void> rebase(const store::DeviceCounter&, const store::Batch&) override { return {}; }
    Result<void> set_recipient(std::optional<crypto::Digest>, const store::Batch&) override { return {}; }
    [[nodiscard]] bool has_reserve() const override { return true; }
    vault::Checkpoint next_checkpoint(std::uint64_t) override { return {}; }
};

struct Bench {
    boost::asio::io_context io{1};
    boost::asio::thread_pool thread{1};
    BrokenDisk disk;
    std::uint64_t written{0};  // to the audit files
    vault::Vault vault{{}, "hwv_", {}};
    FakeHardware device{io.get_executor(), std::make_shared<hardware::FakeToken>()};
    std::shared_ptr<EpochKeeper> epochs = std::make_shared<EpochKeeper>(EpochKeeper::Parts{
        .strand = io.get_executor(),
        .hardware = device,
        .epochs = {},
        .device = 0,
        .mode = AntiRollback::kStrict,
        .batch_interval = kBatchInterval,
    });
    std::shared_ptr<Committer> committer = std::make_shared<Committer>(Committer::Parts{
        .strand = io.get_executor(),
        .store_thread = thread,
        .store = disk,
        .vault = vault,
        .epochs = epochs,
        .trail = audit::Trail{0, {}},
        .time_mark = 100,
        .clock = [] { return vault::UnixTime{50}; },
        .publishing = [](const vault::Change&) {},
        .recorded = [](std::size_t) {},
        .audit_written = [this] { return written; },
    });

    template <class T>
    std::shared_ptr<std::optional<T>> begin(boost::asio::awaitable<T> work) {
        auto outcome = std::make_shared<std::optional<T>>();
        boost::asio::co_spawn(
            io,
            [](boost::asio::awaitable<T> inner, std::shared_ptr<std::optional<T>> result) -> boost::asio::awaitable<void> {
                result->emplace(co_await std::move(inner));
            }(std::move(work), outcome),
            boost::asio::detached);
        return outcome;
    }

    template <class T>
    T run(boost::asio::awaitable<T> work) {
        const auto outcome = begin(std::move(work));
        until([&] { return outcome->has_value(); });
        return std::move(**outcome);
    }

    template <class Condition>
    void until(Condition reached) {
        io.restart();
        while (!reached()) {
            if (io.run_one() == 0) throw std::runtime_error("Nothing is left that could get there.");
        }
    }
};

vault::Target target(const std::string& name) {
    return {.account = vault::AccountName::parse("app:billing").value(),
            .name = vault::TokenName::parse(name).value(),
            .uid = std::nullopt};
}

Planner creating(const std::string& name) {
    return [name](const vault::Vault& state) -> Result<vault::Plan> {
        vault::CreateOptions options;
        if (state.find(target(name).account) == nullptr) options.owners = {"user:alice"};
        vault::Occasion occasion{.now = 100, .actor = {}, .decided_by = "test", .fresh = vault::draw_fresh().value()};
        HWVAULT_TRY(auto plan, vault::create(state, target(name), options, occasion));
        return vault::as_plan(std::move(plan));
    };
}

Planner revoking(const std::string& name, const std::optional<Bytes>& content = std::nullopt) {
    return [name, content](const vault::Vault& state) -> Result<vault::Plan> {
        vault::Occasion occasion{.now = 100, .actor = {}, .decided_by = "test", .fresh = vault::draw_fresh().value()};
        HWVAULT_TRY(auto plan, vault::revoke(state, target(name), 0, occasion));
        std::get<vault::Withdraws>(plan).change.tokens.at(0).sealed_content = content;
        return vault::as_plan(std::move(plan));
    };
}

}  // namespace

TEST_CASE("A commit that fails changes nothing, and the next one works") {
    Bench bench;
    bench.disk.full = true;
    const auto failed = bench.run(bench.committer->commit({"app:billing", std::nullopt}, creating("ci")));
    REQUIRE_FALSE(failed);
    CHECK(failed.error().code == ErrorCode::kQuotaExceeded);
    CHECK(bench.vault.token_count() == 0);
    CHECK(bench.committer->trail().sequence() == 0);
    bench.disk.full = false;
    REQUIRE(bench.run(bench.committer->commit({"app:billing", std::nullopt}, creating("ci"))));
    CHECK(bench.vault.token_count() == 1);
    CHECK(bench.committer->trail().sequence() == 1);
}

TEST_CASE("Reads that cannot be recorded are refused, and allowed again when the disk is back") {
    Bench bench;
    vault::Event read;
    read.verb = vault::Verb::kRetrieve;
    REQUIRE(bench.committer->record(read));
    bench.disk.full = true;
    CHECK_FALSE(bench.run(bench.committer->flush()));
    CHECK(bench.committer->record(read).error().code == ErrorCode::kAuditUnavailable);
    bench.disk.full = false;
    CHECK(bench.run(bench.committer->flush()));
    CHECK(bench.committer->record(read));
    CHECK(bench.run(bench.committer->flush()));
    CHECK(bench.committer->trail().sequence() == 2);
}

TEST_CASE("After a change that the disk refused, reads are recorded again when the disk is back") {
    Bench bench;
    bench.disk.full = true;
    CHECK_FALSE(bench.run(bench.committer->commit({"app:billing", std::nullopt}, creating("ci"))));
    bench.disk.full = false;
    vault::Event read;
    read.verb = vault::Verb::kRetrieve;
    CHECK_FALSE(bench.committer->record(read));  // and tries once more
    bench.io.restart();
    bench.io.run();
    CHECK(bench.committer->record(read));
}

TEST_CASE("Changes that come while the device makes a step share a commit, and wait for a device that is slow no longer than that") {
    bool was_seen = false;
    for (int round = 0; round < 100 && !was_seen; ++round) {
        Bench bench;
        REQUIRE(bench.run(bench.committer->commit({"app:billing", std::nullopt}, creating("old"))));
        bench.device.hang = true;
        const auto revoked = bench.begin(bench.committer->commit({"app:billing", "old"}, revoking("old")));
        bench.until([&] { return bench.epochs->pending() > 0; });
        const int commits = bench.disk.commits;

        const auto began = std::chrono::steady_clock::now();
        const auto first = bench.begin(bench.committer->commit({"app:billing", "ci"}, creating("ci")));
        bench.io.restart();
        bench.io.run_for(Committer::kStepPatience / 2);
        const auto second = bench.begin(bench.committer->commit({"app:billing", "deploy"}, creating("deploy")));
        was_seen = std::chrono::steady_clock::now() < began + Committer::kStepPatience;  // else this machine was too slow to tell
        bench.until([&] { return first->has_value() && second->has_value(); });
        CHECK((**first).has_value());
        CHECK((**second).has_value());
        CHECK(bench.epochs->pending() == 1);
        CHECK((!was_seen || bench.disk.commits == commits + 1));
        CHECK_FALSE(revoked->has_value());
    }
    CHECK(was_seen);
}

TEST_CASE("Many changes of one account take neither every place nor the others' time") {
    Bench bench;
    int done = 0;
    int busy = 0;
    int commits_until_other = 0;
    const auto start = [&](const std::string& account, const std::string& name, std::function<void(bool)> ended) {
        boost::asio::co_spawn(
            bench.io,
            [](Bench& at, std::string of, std::string created, std::function<void(bool)> tell)
                -> boost::asio::awaitable<void> {
                Touches touches{of, std::nullopt};
                Planner planner = creating(created);
                const auto outcome = co_await at.committer->commit(std::move(touches), std::move(planner));
                tell(outcome.has_value());
            }(bench, account, name, std::move(ended)),
            boost::asio::detached);
    };
    for (std::size_t i = 0; i < Committer::kMaxOfAccount + 10; ++i) {
        start("app:billing", "t" + std::to_string(i), [&](bool good) { ++(good ? done : busy); });
    }
    start("app:other", "x", [&](bool) { commits_until_other = bench.disk.commits; });
    bench.io.restart();
    bench.io.run();
    CHECK(busy >= 9);  // one is at work before the last is asked for
    CHECK(done + busy == static_cast<int>(Committer::kMaxOfAccount) + 10);
    CHECK(commits_until_other < 10);
}

TEST_CASE("Changes of one account wait for each other, and others share a commit") {
    Bench bench;
    int done = 0;
    const auto start = [&](const std::string& name) {
        boost::asio::co_spawn(
            bench.io,
            [](Bench& at, std::string created, int& count) -> boost::asio::awaitable<void> {
                Touches account{"app:billing", std::nullopt};
                Planner planner = creating(created);
                const auto outcome = co_await at.committer->commit(std::move(account), std::move(planner));
                if (outcome) ++count;
            }(bench, name, done),
            boost::asio::detached);
    };
    start("a");
    start("b");
    start("c");
    bench.io.restart();
    bench.io.run();
    CHECK(done == 3);
    CHECK(bench.disk.commits == 3);
    CHECK(bench.vault.token_count() == 3);
}

TEST_CASE("Time never goes back, whatever the clock says") {
    Bench bench;
    CHECK(bench.committer->now() == 100);
}

TEST_CASE("A disk that hangs keeps no caller beyond the deadline, and what it had begun is made when it goes on") {
    Bench bench;
    std::promise<void> goes_on;
    bench.disk.hangs_until = goes_on.get_future().share();
    const auto begun = bench.begin(bench.committer->commit({"app:billing", std::nullopt}, creating("ci")));
    bench.io.run_for(std::chrono::milliseconds(10));
    const auto waiting = bench.begin(bench.committer->commit({"app:billing", std::nullopt}, creating("deploy")));
    vault::Event read;
    read.verb = vault::Verb::kRetrieve;
    CHECK(bench.committer->record(read));  // within the disk's patience
    bench.io.run_for(Committer::kDiskPatience + std::chrono::milliseconds(100));
    CHECK_FALSE(bench.committer->disk());
    const auto refused = bench.committer->record(read);
    REQUIRE_FALSE(refused);
    CHECK(refused.error().code == ErrorCode::kAuditUnavailable);
    bench.io.run_for(Committer::kDiskDeadline);
    REQUIRE(begun->has_value());
    REQUIRE(waiting->has_value());
    CHECK((**begun).error().code == ErrorCode::kBusy);
    CHECK((**begun).error().message.find("Whether the change was made") != std::string::npos);
    CHECK((**waiting).error().code == ErrorCode::kBusy);
    CHECK((**waiting).error().message.find("was not begun") != std::string::npos);

    goes_on.set_value();
    bench.io.restart();
    bench.io.run();
    CHECK(bench.vault.token_count() == 1);
    CHECK(bench.committer->disk());
    CHECK(bench.committer->record(read));
}

TEST_CASE("No read is allowed while too many entries wait for the audit files, and every revocation is") {
    Bench bench;
    vault::Event read;
    read.verb = vault::Verb::kRetrieve;
    bench.written = bench.committer->trail().sequence() - AuditExport::kMaxUnwritten;  // modulo 2^64: so many wait
    const auto refused = bench.committer->record(read);
    REQUIRE_FALSE(refused);
    CHECK(refused.error().code == ErrorCode::kAuditUnavailable);
    CHECK(bench.run(bench.committer->commit({"app:billing", std::nullopt}, creating("ci"))));
    bench.written = bench.committer->trail().sequence();
    CHECK(bench.committer->record(read));
}

TEST_CASE("Reads alone begin a commit when the first has waited for its time, and not as soon as the disk is free") {
    Bench bench;
    vault::Event read;
    read.verb = vault::Verb::kRetrieve;
    std::promise<void> goes_on;
    bench.disk.hangs_until = goes_on.get_future().share();
    const auto change = bench.begin(bench.committer->commit({"app:billing", std::nullopt}, creating("ci")));
    bench.io.run_one();  // the commit is under way
    const auto recorded_at = std::chrono::steady_clock::now();
    REQUIRE(bench.committer->record(read));
    goes_on.set_value();
    while (!change->has_value()) bench.io.run_one();
    bench.io.run_for(Committer::kEventDelay / 4);
    const bool is_early = std::chrono::steady_clock::now() < recorded_at + Committer::kEventDelay;
    CHECK((bench.disk.commits == 1 || !is_early));  // a machine that stood still meanwhile shows nothing
    bench.until([&] { return bench.committer->trail().sequence() == 2; });
    CHECK(bench.disk.commits == 2);
}

TEST_CASE("Many reads do not wait for their time") {
    bool was_seen = false;
    for (int round = 0; round < 100 && !was_seen; ++round) {
        Bench bench;
        vault::Event read;
        read.verb = vault::Verb::kRetrieve;
        const auto began = std::chrono::steady_clock::now();
        for (std::size_t i = 0; i < Committer::kEventsAtOnce; ++i) REQUIRE(bench.committer->record(read));
        bench.until([&] { return bench.committer->trail().sequence() > 0; });
        was_seen = std::chrono::steady_clock::now() < began + Committer::kEventDelay;  // else this machine was too slow to tell
        CHECK(bench.disk.commits == 1);
    }
    CHECK(was_seen);
}

TEST_CASE("Lines that a full disk refused are written when there is room, without another caller") {
    Bench bench;
    vault::Event read;
    read.verb = vault::Verb::kRetrieve;
    REQUIRE(bench.committer->record(read));
    bench.disk.full = true;
    bench.io.run_for(Committer::kEventDelay * 3);
    CHECK(bench.committer->trail().sequence() == 0);
    bench.disk.full = false;
    bench.io.run_for(Committer::kPauseAfterFailure * 2);
    CHECK(bench.committer->trail().sequence() == 1);
}

TEST_CASE("On a full disk what takes trust away is written alone, and small") {
    Bench bench;
    for (const char* const name : {"ci", "deploy"}) {
        REQUIRE(bench.run(bench.committer->commit({"app:billing", std::nullopt}, creating(name))));
    }
    bench.disk.full = true;
    bench.disk.takes_urgent = true;
    const std::uint64_t before = bench.committer->trail().sequence();
    vault::Event read;
    read.verb = vault::Verb::kRetrieve;
    REQUIRE(bench.committer->record(read));
    const auto small = bench.begin(bench.committer->commit({"app:billing", "ci"}, revoking("ci")));
    const auto large = bench.begin(bench.committer->commit({"app:billing", "deploy"}, revoking("deploy", Bytes(10, 1))));
    const auto grants = bench.begin(bench.committer->commit({"app:billing", "more"}, creating("more")));
    bench.until([&] { return small->has_value() && large->has_value() && grants->has_value(); });
    CHECK(**small);
    CHECK(bench.committer->trail().sequence() == before + 1);  // its own event, and the read's waits
    CHECK((**large).error().code == ErrorCode::kQuotaExceeded);
    CHECK((**grants).error().code == ErrorCode::kQuotaExceeded);
    bench.committer->stop();
}
