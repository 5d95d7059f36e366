// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Revoke over the Unix socket: one caller, who waits for the disk, against SQLite's durable commit of one row on the same disk; and
// 64 callers, who share commits, against one. In turns; medians.
//
//     bench_revoke NAME SOCKET TURNS    hwvaultd on a vault of bench_make_vault's; works in a folder beside itself, on the disk that
//                                       has the build
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <string>
#include <vector>

#include "bench/folder.h"
#include "bench/load_side.h"
#include "bench/measured.h"
#include "bench/raw_commit.h"
#include "os/run.h"

namespace {

using namespace hwvault;
using namespace hwvault::bench;
using std::chrono::steady_clock;

constexpr auto kTurn = std::chrono::milliseconds(200);
constexpr std::size_t kMany = 64;  // as many busy accounts a vault of bench_make_vault's has

double commits_per_second(RawCommits& raw) {
    const auto began = steady_clock::now();
    std::size_t made = 0;
    for (; steady_clock::now() < began + kTurn; ++made) raw.commit();
    return static_cast<double>(made) / std::chrono::duration<double>(steady_clock::now() - began).count();
}

void measure(const std::string& name, const char* socket, std::size_t turns) {
    const Folder folder(os::own_folder());
    RawCommits raw(folder.path());
    LoadSide alone(socket, varlink_revoke(), {.connections = 1, .in_flight = 1, .tokens = 1});
    LoadSide many(socket, varlink_revoke(), {.connections = kMany, .in_flight = 1, .tokens = 1});
    std::vector<double> of_raw;
    std::vector<double> of_one;
    std::vector<double> of_many;
    // The first of each is not counted: the logs do not have their size yet, and while one grows a sync takes longer.
    for (std::size_t i = 0; i <= turns; ++i) {
        const double raw_rate = commits_per_second(raw);
        const double one_rate = alone.closed_loop(kTurn);
        const double many_rate = many.closed_loop(kTurn);
        if (i == 0) continue;
        of_raw.push_back(raw_rate);
        of_one.push_back(one_rate);
        of_many.push_back(many_rate);
    }
    print({(name + "/alone").c_str(), median(of_one), median(of_raw), "/s"});
    print({(name + "/many").c_str(), median(of_many), median(of_one), "/s"});
}

}  // namespace

int main(int argc, char** argv) {
    if (argc != 4) {
        std::fprintf(stderr, "usage: bench_revoke NAME SOCKET TURNS\n");
        return 2;
    }
    try {
        measure(argv[1], argv[2], std::strtoul(argv[3], nullptr, 10));
    } catch (const std::exception& failure) {
        std::fprintf(stderr, "bench_revoke: %s\n", failure.what());
        return 1;
    }
    return 0;
}
