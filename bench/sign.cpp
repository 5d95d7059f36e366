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
constexpr auto kTrial = std::chrono::milliseconds(300);
constexpr std::array<std::size_t, 4> kThreads{1, 2, 4, 8};
constexpr std::array<std::size_t, 3> kInFlight{1, 16, 64};
constexpr std::size_t kMaxPinSize = 255;

// The one of `counts` with the highest rate.
template <class Counts, class Rate>
std::size_t best(const Counts& counts, Rate rate) {
    std::vector<double> rates;
    for (const std::size_t count : counts) rates.push_back(rate(count));
    return counts[static_cast<std::size_t>(std::ranges::max_element(rates) - rates.begin())];
}

void measure(const std::filesystem::path& folder, const char* module, const char* program, std::size_t turns) {
    const Development development = prepare_development(folder, Simulated::kSoftHsm, program).value();
    ::setenv("SOFTHSM2_CONF", (folder / "softhsm2.conf").c_str(), 1);
    const bench::RawSigner raw(module, os::read_secret_file(folder / "hardware/pin", kMaxPinSize).value());
    const auto child = [&](std::size_t in_flight, auto time) { return bench::through_child(development.child, in_flight, time); };
    const auto directly = [&](std::size_t threads, auto time) { return raw.rate(threads, bench::kContext, time); };

    const std::size_t in_flight = best(kInFlight, [&](std::size_t count) { return child(count, kTrial); });
    const std::size_t threads = best(kThreads, [&](std::size_t count) { return directly(count, kTrial); });
    std::printf("derive: %zu in flight to the child, %zu threads with C_Sign\n", in_flight, threads);
    std::vector<double> ours;
    std::vector<double> limit;
    for (std::size_t i = 0; i < turns; ++i) {
        ours.push_back(child(in_flight, kTurn));
        limit.push_back(directly(threads, kTurn));
    }
    bench::print({"derive/pkcs11", bench::median(ours), bench::median(limit), "/s"});
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
