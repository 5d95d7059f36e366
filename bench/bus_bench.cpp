// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The D-Bus door, by one client that calls one after the other and turns from one to the other some times a second; medians
// of the turns.
//
//     bench_bus retrieve BUS TURNS                   our Retrieve against Peer.Ping of the same process
//     bench_bus least BUS TURNS                      that of bench_bus_least, which does no more than it must, against the same
//     bench_bus keyring BUS KEYRING-BUS ITEMS TURNS  our Retrieve and Create against gnome-keyring's GetSecret and CreateItem
//
// The vault is one of bench_make_vault's, with its policy and its audit trail on.
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "bench/bus_sides.h"
#include "bench/measured.h"

namespace {

using namespace hwvault::bench;
using std::chrono::steady_clock;

constexpr auto kTurn = std::chrono::milliseconds(200);
constexpr std::size_t kWarmUp = 128;  // calls: each busy account has its string

using Call = std::function<void(std::size_t)>;

// Calls per second.
double rate(const Call& call) {
    const auto began = steady_clock::now();
    std::size_t made = 0;
    while (steady_clock::now() < began + kTurn) call(made++);
    return static_cast<double>(made) / std::chrono::duration<double>(steady_clock::now() - began).count();
}

void compare(const char* name, std::size_t turns, const Call& ours, const Call& peers) {
    std::vector<double> our_rates;
    std::vector<double> their_rates;
    for (std::size_t i = 0; i < turns; ++i) {
        our_rates.push_back(rate(ours));
        their_rates.push_back(rate(peers));
    }
    print({name, median(our_rates), median(their_rates), "/s"});
}

std::size_t number(const char* text) {
    return std::strtoul(text, nullptr, 10);
}

int run(std::span<char*> arguments) {
    const std::string_view mode = arguments.size() > 2 ? arguments[1] : "";
    const bool is_retrieve = mode == "retrieve" || mode == "least";
    if (!(is_retrieve && arguments.size() == 4) && !(mode == "keyring" && arguments.size() == 6)) {
        std::fprintf(stderr, "usage: see the head of bench/bus_bench.cpp\n");
        return 2;
    }
    VaultOnBus vault(arguments[2]);
    VaultOnBus least(arguments[2], kLeastService);
    const Call retrieve = [&](std::size_t i) { (mode == "least" ? least : vault).retrieve(i); };
    for (std::size_t i = 0; i < kWarmUp; ++i) retrieve(i);
    if (is_retrieve) {
        compare(("bus/" + std::string(mode)).c_str(), number(arguments[3]), retrieve, [&](std::size_t) { vault.ping(); });
        return 0;
    }
    KeyringOnBus keyring(arguments[3], number(arguments[4]));
    const std::size_t turns = number(arguments[5]);
    compare("keyring/get", turns, retrieve, [&](std::size_t i) { keyring.get_secret(i); });
    compare("keyring/create", turns, [&](std::size_t) { vault.create(); }, [&](std::size_t) { keyring.create(); });
    vault.erase_created();
    keyring.erase_created();
    return 0;
}

}  // namespace

int main(int argc, char** argv) {
    try {
        return run({argv, static_cast<std::size_t>(argc)});
    } catch (const std::exception& failure) {
        std::fprintf(stderr, "bench_bus: %s\n", failure.what());
        return 1;
    }
}
