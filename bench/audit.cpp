// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What auditing costs: calls of each verb per second in a vault with its audit trail, in the store, in its files and in
// the journal, and in one without, on the same disk and the same kind of device (vault_side.h): of a caller alone, who waits
// for the disk, and of many, who share a commit. The two take turns, many a second, and one stands still while the other
// works: so whatever else the machine does favours neither. Since the pauses of the export go on meanwhile, it syncs its
// files twice as often for a call as hwvaultd does.
//
//     bench_audit HWVAULT-HARDWARE    the child's program; works in a folder beside itself, on the disk that has the build
#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/thread_pool.hpp>

#include "bench/folder.h"
#include "bench/measured.h"
#include "bench/vault_side.h"
#include "os/run.h"

namespace {

using namespace hwvault;
using namespace hwvault::bench;
namespace asio = boost::asio;

constexpr auto kTurn = std::chrono::milliseconds(25);
// Both sides' turns of a round take as long as the export's pause, so that in each it has all to write that was done in one.
// In the first it has not yet, and that is not counted. The median is, so that it does not matter if the disk stood still.
constexpr auto kTurnsOfRound = service::AuditExport::kPause / (2 * kTurn);
constexpr std::size_t kRounds = 8;
constexpr std::size_t kMany = 64;      // callers that share commits
constexpr std::size_t kAtDevice = 16;  // as many Retrieves as hwvaultd lets to the device
constexpr const char* kJournal = "/run/systemd/journal/socket";

using Call = asio::awaitable<bool> (VaultSide::*)(Caller&);

struct Verb {
    const char* name;
    Call call;
};

constexpr Verb kRetrieve{"Retrieve", &VaultSide::retrieve};
constexpr Verb kCreate{"Create", &VaultSide::create};
// Delete comes last: it takes what Create and Import made.
constexpr std::array kChanges{kCreate,
                              Verb{"Import", &VaultSide::import},
                              Verb{"Rotate", &VaultSide::rotate},
                              Verb{"Revoke", &VaultSide::revoke},
                              Verb{"RevokeToken", &VaultSide::revoke_token},
                              Verb{"Delete", &VaultSide::erase}};

std::vector<Caller> callers() {
    std::vector<Caller> all;
    for (std::size_t i = 0; i < kMany; ++i) {
        all.push_back({.account = vault::AccountName::parse("app:worker-" + std::to_string(i)).value(), .made = 0, .deleted = 0});
    }
    return all;
}

// The vault with its trail, or the one without.
class Side {
public:
    Side(const std::filesystem::path& folder, const std::filesystem::path& program, asio::thread_pool& store_thread,
         Auditing auditing)
        : vault_(folder, program, store_thread, auditing) {
        run(vault_.open(callers_));
    }
    Side(const Side&) = delete;
    Side& operator=(const Side&) = delete;
    ~Side() { run(vault_.stop()); }

    // So many callers begin to call, one call after the other.
    void begin(Call call, std::size_t at_once) {
        over_ = false;
        rates_.clear();
        working_ = begun_ = at_once;
        for (std::size_t i = 0; i < at_once; ++i) vault_.begin(work(callers_[i], call), [this] { --working_; });
    }
    void take_turn() { time_ += vault_.run_for(kTurn); }
    void end_round() {
        rates_.push_back(static_cast<double>(std::exchange(called_, 0)) / std::exchange(time_, {}).count());
    }
    // Whether a caller has nothing left to do.
    [[nodiscard]] bool ran_out() const { return working_ < begun_; }
    void end() {
        over_ = true;
        vault_.run_until([this] { return working_ == 0; });
        run(vault_.settle());
        called_ = 0;
    }
    // Calls per second of its turns. Where a caller ran out in the first round there is no other.
    [[nodiscard]] double rate() const {
        std::vector<double> counted(rates_.begin() + (rates_.size() > 1 ? 1 : 0), rates_.end());
        std::ranges::sort(counted);
        return counted.at(counted.size() / 2);
    }

private:
    asio::awaitable<void> work(Caller& caller, Call call) {
        while (!over_) {
            const bool called = co_await (vault_.*call)(caller);
            if (!called) co_return;
            ++called_;
        }
    }
    void run(asio::awaitable<void> work) {
        bool done = false;
        vault_.begin(std::move(work), [&done] { done = true; });
        vault_.run_until([&done] { return done; });
    }

    std::vector<Caller> callers_{callers()};
    VaultSide vault_;
    bool over_{false};
    std::size_t begun_{0};
    std::size_t working_{0};
    std::uint64_t called_{0};  // in this round
    std::chrono::duration<double> time_{};
    std::vector<double> rates_;  // of the rounds
};

class Comparison {
public:
    Comparison(const std::filesystem::path& folder, const std::filesystem::path& program)
        : with_(folder / "with", program, store_thread_, Auditing::kOn),
          without_(folder / "without", program, store_thread_, Auditing::kOff) {
        // Some thousand tokens, and a write-ahead log that has its size: while it grows a sync takes several times as long.
        make_calls(kCreate, kMany);
    }

    void measure(const Verb& verb, std::size_t at_once) {
        make_calls(verb, at_once);
        print(verb, at_once);
    }

private:
    void make_calls(const Verb& verb, std::size_t at_once) {
        for (Side* const side : {&with_, &without_}) side->begin(verb.call, at_once);
        for (std::size_t round = 0; round < kRounds && !with_.ran_out() && !without_.ran_out(); ++round) {
            for (int turn = 0; turn < kTurnsOfRound; ++turn) {
                for (Side* const side : {&with_, &without_}) side->take_turn();
            }
            for (Side* const side : {&with_, &without_}) side->end_round();
        }
        for (Side* const side : {&with_, &without_}) side->end();
    }
    void print(const Verb& verb, std::size_t at_once) {
        const std::string name = "audit/" + std::string(verb.name) + "/" + std::to_string(at_once);
        bench::print({name.c_str(), with_.rate(), without_.rate(), "/s"});
    }

    asio::thread_pool store_thread_{1};
    Side with_;
    Side without_;
};

}  // namespace

int main(int argc, char** argv) {
    if (argc != 2) {
        std::fprintf(stderr, "usage: bench_audit HWVAULT-HARDWARE\n");
        return 2;
    }
    const Folder folder(os::own_folder());
    Comparison comparison(folder.path(), argv[1]);
    comparison.measure(kRetrieve, kAtDevice);
    for (const std::size_t at_once : {std::size_t{1}, kMany}) {
        for (const Verb& verb : kChanges) comparison.measure(verb, at_once);
    }
    std::printf("audit: Verify, List, Describe and Status write no line, so it costs them nothing: a Verify is counted, no more\n");
    if (!std::filesystem::exists(kJournal)) {
        std::printf("audit: no journal runs here, so what it costs to send to one is not in this\n");
    }
    return 0;
}
