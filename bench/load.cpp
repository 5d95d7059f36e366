// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Verify on the vault's Unix socket against GET on that of Redis, by one client (load_side.h) that turns to one and the
// other some times a second, so that whatever else the machine does favours neither. The rates are medians of the turns.
//
//     bench_load NAME VAULT OURS REDIS TOKENS CONNECTIONS IN-FLIGHT TURNS      prints both rates
//     bench_load --open NAME VAULT OURS REDIS TOKENS CONNECTIONS RATE TURNS    prints how long calls take, of which RATE a second come
//     bench_load --fill VAULT REDIS TOKENS                                   puts what is asked for into Redis
//
// VAULT is the folder with the texts; OURS and REDIS are sockets; the first TOKENS of the vault are asked for. Which core
// client and servers have is in bench/servers.py, which sees to it.
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "bench/load_side.h"
#include "bench/measured.h"

namespace {

using namespace hwvault::bench;

constexpr auto kTurn = std::chrono::milliseconds(200);
constexpr auto kWarmUp = std::chrono::milliseconds(500);
constexpr std::size_t kFillInFlight = 512;

struct Shares {
    double share;
    const char* name;
};
constexpr Shares kShares[]{{0.5, "p50"}, {0.99, "p99"}, {0.999, "p99.9"}};

std::size_t number(const char* text) {
    return std::strtoul(text, nullptr, 10);
}

class Comparison {
public:
    Comparison(const char* vault, const char* ours, const char* redis, const Load& load)
        : texts_(vault), ours_(ours, varlink_verify(texts_), load), redis_(redis, redis_get(texts_), load) {
        ours_.closed_loop(kWarmUp);
        redis_.closed_loop(kWarmUp);
        forget();
    }

    void closed(const char* name, std::size_t turns) {
        std::vector<double> ours;
        std::vector<double> redis;
        for (std::size_t i = 0; i < turns; ++i) {
            ours.push_back(ours_.closed_loop(kTurn));
            redis.push_back(redis_.closed_loop(kTurn));
        }
        print({name, median(ours), median(redis), "/s"});
    }

    void open(const char* name, double rate, std::size_t turns) {
        for (std::size_t i = 0; i < turns; ++i) {
            ours_.open_loop(rate, kTurn);
            redis_.open_loop(rate, kTurn);
        }
        std::vector<double> shares;
        for (const auto& [share, _] : kShares) shares.push_back(share);
        const auto ours = ours_.take_latencies(shares);
        const auto redis = redis_.take_latencies(shares);
        for (std::size_t i = 0; i < shares.size(); ++i) {
            print({(std::string(name) + "/" + kShares[i].name).c_str(), ours[i] / 1e3, redis[i] / 1e3, "us"});
        }
    }

private:
    void forget() {
        ours_.take_latencies({});
        redis_.take_latencies({});
    }

    KnownTexts texts_;
    LoadSide ours_;
    LoadSide redis_;
};

int run(std::span<char*> arguments) {
    const std::string_view mode = arguments.size() > 1 ? arguments[1] : "";
    if (mode == "--fill" && arguments.size() == 5) {
        const KnownTexts texts(arguments[2]);
        LoadSide redis(arguments[3], redis_set(texts), {.connections = 1, .in_flight = kFillInFlight, .tokens = 1});
        redis.closed_loop_of(number(arguments[4]));
        return 0;
    }
    if (mode == "--open" && arguments.size() == 10) {
        const Load load{.connections = number(arguments[7]), .in_flight = 1, .tokens = number(arguments[6])};
        Comparison(arguments[3], arguments[4], arguments[5], load)
            .open(arguments[2], std::strtod(arguments[8], nullptr), number(arguments[9]));
        return 0;
    }
    if (arguments.size() == 9) {
        const Load load{.connections = number(arguments[6]), .in_flight = number(arguments[7]), .tokens = number(arguments[5])};
        Comparison(arguments[2], arguments[3], arguments[4], load).closed(arguments[1], number(arguments[8]));
        return 0;
    }
    std::fprintf(stderr, "usage: see the head of bench/load.cpp\n");
    return 2;
}

}  // namespace

int main(int argc, char** argv) {
    try {
        return run({argv, static_cast<std::size_t>(argc)});
    } catch (const std::exception& failure) {
        std::fprintf(stderr, "bench_load: %s\n", failure.what());
        return 1;
    }
}
