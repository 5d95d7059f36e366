// SPDX-License-Identifier: LGPL-2.1-or-later
//
// hwvault_verify() of libhwvault within this process, one after the other, against one SHA-256 of the 53 bytes that a verify
// cannot do without hashing. By Google Benchmark, which mixes their repetitions; medians.
//
//     bench_verify VAULT SOCKET REPETITIONS    VAULT is the folder with the texts
//
// The library decides how it comes to its answer. As long as it asks over the socket, that is what is measured here.
// The texts are gone through in a random order, so that the look-up finds nothing in a cache that is not there by its
// size, but lie one after the other: a verifier has the text in its cache, since it has just received it.
#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <numeric>
#include <random>
#include <stdexcept>
#include <string>
#include <vector>

#include <benchmark/benchmark.h>
#include <hwvault/hwvault.h>

#include "bench/known_texts.h"
#include "bench/measured.h"
#include "bench/raw_digest.h"

namespace {

using namespace hwvault::bench;

constexpr std::size_t kPrefix = 4;   // "hwv_"
constexpr std::size_t kHashed = 53;  // id and secret
constexpr double kSeconds = 0.2;     // of a repetition

struct Client {
    explicit Client(const char* socket) {
        if (hwvault_open(socket, &handle) != HWVAULT_OK) throw std::runtime_error(hwvault_error_message());
    }
    Client(const Client&) = delete;
    Client& operator=(const Client&) = delete;
    ~Client() { hwvault_close(handle); }
    hwvault_client* handle{nullptr};
};

// Copies of texts in a random order, one behind the other.
class Texts {
public:
    Texts(const KnownTexts& known, bool in_vault) {
        std::vector<std::uint32_t> order(known.count());
        std::iota(order.begin(), order.end(), 0U);
        std::ranges::shuffle(order, std::minstd_rand(1));
        for (const std::uint32_t number : order) {
            all_ += in_vault ? known.text(number) : known.unknown(number);
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

void verify(benchmark::State& state, Client& client, Texts& texts, bool in_vault) {
    hwvault_verification result = HWVAULT_VERIFICATION_INIT;
    for (auto _ : state) {
        const std::string_view text = texts.next();
        const int code = hwvault_verify(client.handle, text.data(), text.size(), &result);
        if (code != HWVAULT_OK || (result.active == 1) != in_vault) {
            throw std::runtime_error(code == HWVAULT_OK ? "a verify says what the vault does not hold" : hwvault_error_message());
        }
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
            if (run.run_type == Run::RT_Iteration) times_[run.run_name.function_name].push_back(run.GetAdjustedRealTime());
        }
    }
    double of(const char* name) { return median(times_[name]); }

private:
    std::map<std::string, std::vector<double>> times_;
};

void measure(const char* vault, const char* socket, int repetitions) {
    const KnownTexts known(vault);
    Client client(socket);
    Texts held(known, true);
    Texts unknown(known, false);
    for (benchmark::internal::Benchmark* const each :
         {benchmark::RegisterBenchmark("sha256", [&](benchmark::State& state) { hash(state, held); }),
          benchmark::RegisterBenchmark("hit", [&](benchmark::State& state) { verify(state, client, held, true); }),
          benchmark::RegisterBenchmark("miss", [&](benchmark::State& state) { verify(state, client, unknown, false); })}) {
        each->UseRealTime()->MinTime(kSeconds)->Repetitions(repetitions);
    }
    Medians medians;
    benchmark::RunSpecifiedBenchmarks(&medians);
    for (const char* const which : {"hit", "miss"}) {
        const std::string name = "verify/" + std::to_string(known.count()) + "/" + which;
        print({name.c_str(), medians.of(which), medians.of("sha256"), "ns"});
    }
}

}  // namespace

int main(int argc, char** argv) {
    if (argc != 4) {
        std::fprintf(stderr, "usage: bench_verify VAULT SOCKET REPETITIONS\n");
        return 2;
    }
    int flags = 2;
    char interleaving[] = "--benchmark_enable_random_interleaving=true";
    char* arguments[] = {argv[0], interleaving, nullptr};
    benchmark::Initialize(&flags, arguments);
    try {
        measure(argv[1], argv[2], std::atoi(argv[3]));
    } catch (const std::exception& failure) {
        std::fprintf(stderr, "bench_verify: %s\n", failure.what());
        return 1;
    }
    return 0;
}
