// SPDX-License-Identifier: LGPL-2.1-or-later
//
// hwvault_verify() of libhwvault within this process, one after the other, and hwvault_verify_many(), against one SHA-256 of the
// 53 bytes that a verify cannot do without hashing. By Google Benchmark, which mixes their repetitions; medians.
//
//     bench_verify VAULT SOCKET REPETITIONS              VAULT is the folder with the texts
//     bench_verify --derived COUNT SOCKET REPETITIONS    those of bench_index_vault
//
// The library decides how it comes to its answer; when it does not look up in the vault's index, nothing is measured, and that
// is said. The texts are gone through in a random order, so that the look-up finds nothing in a cache that is not there by its
// size, but lie one after the other: a verifier has the text in its cache, since it has just received it.
#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <functional>
#include <map>
#include <numeric>
#include <random>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include <benchmark/benchmark.h>
#include <hwvault/hwvault.h>

#include "bench/derived_texts.h"
#include "bench/known_texts.h"
#include "bench/measured.h"
#include "bench/raw_digest.h"

namespace {

using namespace hwvault::bench;

constexpr std::size_t kPrefix = 4;   // "hwv_"
constexpr std::size_t kHashed = 53;  // id and secret
constexpr std::size_t kAtOnce = 64;  // tokens of a hwvault_verify_many()
constexpr double kSeconds = 0.2;     // of a repetition
// Texts that are shown before the first comes again. Their slots are some 200 MB, which no cache has.
constexpr std::size_t kShown = 2'000'000;

struct Client {
    explicit Client(const char* socket) {
        if (hwvault_open(socket, &handle) != HWVAULT_OK) throw std::runtime_error(hwvault_error_message());
    }
    Client(const Client&) = delete;
    Client& operator=(const Client&) = delete;
    ~Client() { hwvault_close(handle); }
    hwvault_client* handle{nullptr};
};

// The tokens of a vault, by number: `count` are in it, and as many more are not.
struct Tokens {
    std::size_t count;
    std::function<std::string(std::size_t)> text;
};

Tokens tokens_of(const KnownTexts& known) {
    return {known.count(), [&known](std::size_t number) { return std::string(known.text(number)); }};
}

Tokens derived_tokens(std::size_t count) {
    return {count, [](std::size_t number) {
        const DerivedText text = derived_text(number);
        return std::string(text.begin(), text.end());
    }};
}

// The texts of some tokens from the number `first` on, in a random order, one behind the other.
class Texts {
public:
    Texts(const Tokens& tokens, std::size_t first) {
        std::vector<std::uint32_t> order(tokens.count);
        std::iota(order.begin(), order.end(), 0U);
        std::ranges::shuffle(order, std::minstd_rand(1));
        order.resize(std::min(order.size(), kShown));
        for (const std::uint32_t number : order) {
            all_ += tokens.text(first + number);
            all_ += '\n';
        }
    }
    std::string_view next() {
        const std::string_view text(all_.data() + at_, kTextStride - 1);
        at_ = at_ + kTextStride == all_.size() ? 0 : at_ + kTextStride;
        return text;
    }

private:
    std::string all_;
    std::size_t at_{0};
};

void require(int code, bool is_right) {
    if (code != HWVAULT_OK) throw std::runtime_error(hwvault_error_message());
    if (!is_right) throw std::runtime_error("a verify says what the vault does not hold");
}

void verify(benchmark::State& state, Client& client, Texts& texts, bool in_vault) {
    hwvault_verification result = HWVAULT_VERIFICATION_INIT;
    for (auto _ : state) {
        const std::string_view text = texts.next();
        const int code = hwvault_verify(client.handle, text.data(), text.size(), &result);
        require(code, (result.active == 1) == in_vault);
    }
}

void verify_many(benchmark::State& state, Client& client, Texts& texts) {
    std::array<hwvault_token, kAtOnce> tokens{};
    std::vector<hwvault_verification> results(kAtOnce, hwvault_verification HWVAULT_VERIFICATION_INIT);
    for (auto _ : state) {
        for (hwvault_token& token : tokens) token = {texts.next().data(), kTextStride - 1};
        const int code = hwvault_verify_many(client.handle, tokens.data(), tokens.size(), results.data());
        require(code, std::ranges::all_of(results, [](const auto& result) { return result.active == 1; }));
    }
}

void hash(benchmark::State& state, Texts& texts) {
    RawSha256 sha256;
    for (auto _ : state) benchmark::DoNotOptimize(sha256(texts.next().substr(kPrefix, kHashed)));
}

// Keeps each one's median, in nanoseconds of real time.
class Medians final : public benchmark::BenchmarkReporter {
public:
    bool ReportContext(const Context&) override { return true; }
    void ReportRuns(const std::vector<Run>& runs) override {
        for (const Run& run : runs) {
            if (run.run_type == Run::RT_Iteration) times_[run.run_name.function_name].push_back(run.GetAdjustedCPUTime());
        }
    }
    double of(const char* name) { return median(times_[name]); }

private:
    std::map<std::string, std::vector<double>> times_;
};

bool has_index() {
    std::ifstream maps("/proc/self/maps");
    for (std::string line; std::getline(maps, line);) {
        if (line.find("hwvault-verify-index") != std::string::npos) return true;
    }
    return false;
}

void measure(const Tokens& tokens, const char* socket, int repetitions) {
    Client client(socket);
    Texts held(tokens, 0);
    Texts unknown(tokens, tokens.count);
    const std::string group = "verify/" + std::to_string(tokens.count) + "/";
    hwvault_verification first = HWVAULT_VERIFICATION_INIT;
    const int code = hwvault_verify(client.handle, held.next().data(), kTextStride - 1, &first);
    require(code, first.active == 1);
    if (!has_index()) {
        for (const char* const which : {"hit", "miss"}) {
            print_unmeasured((group + which).c_str(), "the vault did not hand its verify index over: it was asked over the socket");
        }
        return;
    }
    for (benchmark::internal::Benchmark* const each :
         {benchmark::RegisterBenchmark("sha256", [&](benchmark::State& state) { hash(state, held); }),
          benchmark::RegisterBenchmark("hit", [&](benchmark::State& state) { verify(state, client, held, true); }),
          benchmark::RegisterBenchmark("miss", [&](benchmark::State& state) { verify(state, client, unknown, false); }),
          benchmark::RegisterBenchmark("many", [&](benchmark::State& state) { verify_many(state, client, held); })}) {
        each->UseRealTime()->MinTime(kSeconds)->Repetitions(repetitions);
    }
    Medians medians;
    benchmark::RunSpecifiedBenchmarks(&medians);
    const double limit = medians.of("sha256");
    print({(group + "hit").c_str(), medians.of("hit"), limit, "ns"});
    print({(group + "miss").c_str(), medians.of("miss"), limit, "ns"});
    print({(group + "many").c_str(), medians.of("many") / static_cast<double>(kAtOnce), limit, "ns"});
}

void run(std::span<char*> arguments) {
    if (std::string_view(arguments[0]) == "--derived") {
        measure(derived_tokens(std::strtoul(arguments[1], nullptr, 10)), arguments[2], static_cast<int>(std::strtol(arguments[3], nullptr, 10)));
        return;
    }
    const KnownTexts known(arguments[0]);
    measure(tokens_of(known), arguments[1], static_cast<int>(std::strtol(arguments[2], nullptr, 10)));
}

}  // namespace

int main(int argc, char** argv) {
    if (argc != (argc > 1 && std::string_view(argv[1]) == "--derived" ? 5 : 4)) {
        std::fprintf(stderr, "usage: bench_verify VAULT SOCKET REPETITIONS, or --derived COUNT SOCKET REPETITIONS\n");
        return 2;
    }
    int flags = 2;
    char interleaving[] = "--benchmark_enable_random_interleaving=true";
    char* arguments[] = {argv[0], interleaving, nullptr};
    benchmark::Initialize(&flags, arguments);
    try {
        run({argv + 1, static_cast<std::size_t>(argc - 1)});
    } catch (const std::exception& failure) {
        std::fprintf(stderr, "bench_verify: %s\n", failure.what());
        return 1;
    }
    return 0;
}
