// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What SoftHSM2 takes, in turns; medians. Derivations per second: through the daemon's client, the private socket and the hardware
// child, and by C_Sign in one process, each with as many in flight as serve it best. And the least that a revocation which moves
// the epoch can come to: SQLite's durable commit and then one new label, in one thread, against the commit alone.
//
//     bench_sign DIR MODULE HWVAULT-HARDWARE TURNS    DIR is a vault's of --dev, MODULE its PKCS#11 module
#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <string>
#include <vector>

#include "bench/folder.h"
#include "bench/measured.h"
#include "bench/raw_commit.h"
#include "bench/raw_module.h"
#include "bench/through_child.h"
#include "daemon/development.h"
#include "os/file.h"
#include "os/run.h"

namespace {

using namespace hwvault;

constexpr auto kTurn = std::chrono::milliseconds(200);
constexpr std::array<std::size_t, 4> kThreads{1, 2, 4, 8};
constexpr std::array<std::size_t, 3> kInFlight{1, 16, 64};
constexpr std::size_t kMaxPinSize = 255;

// The rates with each of some counts in flight, turn by turn.
template <class Counts>
class Rates {
public:
    explicit Rates(const Counts& counts) : counts_(counts), of_(counts.size()) {}

    template <class Rate>
    void take_turn(Rate rate) {
        for (std::size_t i = 0; i < counts_.size(); ++i) of_[i].push_back(rate(counts_[i]));
    }
    // The median of the count that has the highest one.
    [[nodiscard]] double best(const char* of_what) const {
        std::vector<double> medians;
        for (const auto& rates : of_) medians.push_back(bench::median(rates));
        const auto highest = std::ranges::max_element(medians);
        std::printf("derive: %s: %zu in flight\n", of_what, counts_[static_cast<std::size_t>(highest - medians.begin())]);
        return *highest;
    }

private:
    const Counts& counts_;
    std::vector<std::vector<double>> of_;
};

template <class Work>
double per_second(Work work) {
    const auto began = std::chrono::steady_clock::now();
    std::size_t made = 0;
    for (; std::chrono::steady_clock::now() < began + kTurn; ++made) work();
    return static_cast<double>(made) / std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();
}

void measure_step(bench::RawModule& raw, std::size_t turns) {
    const bench::Folder folder(os::own_folder());
    bench::RawCommits commits(folder.path());
    std::vector<double> with_label;
    std::vector<double> alone;
    // The first turn is not counted, as in bench_revoke.
    for (std::size_t i = 0; i <= turns; ++i) {
        const double alone_rate = per_second([&] { commits.commit(); });
        const double label_rate = per_second([&] { commits.commit(), raw.relabel(); });
        if (i == 0) continue;
        alone.push_back(alone_rate);
        with_label.push_back(label_rate);
    }
    bench::print({"revoke/least", bench::median(with_label), bench::median(alone), "/s"});
}

void measure(const std::filesystem::path& folder, const char* module, const char* program, std::size_t turns) {
    const Development development = prepare_development(folder, Simulated::kSoftHsm, program).value();
    ::setenv("SOFTHSM2_CONF", (folder / "softhsm2.conf").c_str(), 1);
    bench::RawModule raw(module, os::read_secret_file(folder / "hardware/pin", kMaxPinSize).value());
    measure_step(raw, turns);
    Rates ours(kInFlight);
    Rates limit(kThreads);
    for (std::size_t i = 0; i < turns; ++i) {
        ours.take_turn([&](std::size_t in_flight) { return bench::through_child(development.child, in_flight, kTurn); });
        limit.take_turn([&](std::size_t threads) { return raw.rate(threads, bench::kContext, kTurn); });
    }
    bench::print({"derive/pkcs11", ours.best("through the child"), limit.best("C_Sign"), "/s"});
}

}  // namespace

int main(int argc, char** argv) {
    if (argc != 5) {
        std::fprintf(stderr, "usage: bench_sign DIR MODULE HWVAULT-HARDWARE TURNS\n");
        return 2;
    }
    try {
        measure(argv[1], argv[2], argv[3], std::strtoul(argv[4], nullptr, 10));
    } catch (const std::exception& failure) {
        std::fprintf(stderr, "bench_sign: %s\n", failure.what());
        return 1;
    }
    return 0;
}
