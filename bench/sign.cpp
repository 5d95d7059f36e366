// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Derivations per second in SoftHSM2: through the daemon's client, the private socket and the hardware child, and by C_Sign in one
// process. Each with as many in flight as serve it best, in turns; medians.
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

#include "bench/measured.h"
#include "bench/raw_sign.h"
#include "bench/through_child.h"
#include "daemon/development.h"
#include "os/file.h"

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

void measure(const std::filesystem::path& folder, const char* module, const char* program, std::size_t turns) {
    const Development development = prepare_development(folder, Simulated::kSoftHsm, program).value();
    ::setenv("SOFTHSM2_CONF", (folder / "softhsm2.conf").c_str(), 1);
    const bench::RawSigner raw(module, os::read_secret_file(folder / "hardware/pin", kMaxPinSize).value());
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
