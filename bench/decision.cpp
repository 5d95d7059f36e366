// SPDX-License-Identifier: LGPL-2.1-or-later
//
// How long the gate takes with 1,000 rules loaded, in several shapes. Each measurement is one question to the policy, by
// a caller whom one rule lets, or whom none lets, and must stay below 2 us: beside a derivation or a commit that is
// nothing, and a Verify over the socket asks it too.
#include <algorithm>
#include <cstdio>
#include <string>
#include <vector>

#include <benchmark/benchmark.h>

#include "bench/measured.h"
#include "policy/files/files.h"
#include "policy/policy.h"

namespace {

using namespace hwvault;
using namespace hwvault::policy;

constexpr int kRules = 1'000;
constexpr int kAsked = 700;  // the rule that names who and what is asked about
constexpr int kGroups = 32;  // of the caller
constexpr double kLimit = 2'000;  // nanoseconds

struct Shape {
    const char* name;
    std::string (*who)(int);
    std::string (*accounts)(int);
};

std::string numbered(const std::string& text, int number) {
    return text + std::to_string(number);
}

Policy policy_of(const Shape& shape) {
    std::string text;
    for (int i = 0; i < kRules; ++i) {
        text += "[[allow]]\nname = 'rule-" + std::to_string(i) + "'\n" + shape.who(i) +
                "\nverbs = ['Retrieve', 'Create']\naccounts = '" + shape.accounts(i) + "'\n";
    }
    return Policy::of({{kDefaultFile, std::string(default_rules())}, {"60-many.toml", std::move(text)}}).value();
}

Caller caller() {
    Caller asking{.uid = 1000, .user = numbered("user-", kAsked), .groups = {}, .unit = std::nullopt, .invocation = "", .executable = ""};
    for (int i = 0; i < kGroups; ++i) asking.groups.push_back(numbered("group-", kAsked + i));
    asking.unit = numbered("worker-", kAsked) + ".service";
    return asking;
}

std::string anyone(int) { return "anyone = true"; }
std::string user(int i) { return "user = '" + numbered("user-", i) + "'"; }
std::string group(int i) { return "group = '" + numbered("group-", i) + "'"; }
std::string unit(int i) { return "unit = '" + numbered("worker-", i) + ".*'"; }
std::string everything(int) { return "*"; }
std::string app(int i) { return numbered("app:shop-", i); }
std::string apps(int i) { return numbered("app:shop-", i) + "-*"; }

void decide(benchmark::State& state, const Shape& shape, vault::Verb verb, const std::string& account) {
    const Policy policy = policy_of(shape);
    const Caller asking = caller();
    const Object object{.account = vault::AccountName::parse(account).value(), .name = {}, .owners = {"user:somebody"}};
    for (auto _ : state) benchmark::DoNotOptimize(policy.decide(asking, verb, object));
}

// Google Benchmark's own table, and after it whether the limit holds.
class Verdict final : public benchmark::ConsoleReporter {
public:
    Verdict() : ConsoleReporter(OO_None) {}
    void ReportRuns(const std::vector<Run>& runs) override {
        ConsoleReporter::ReportRuns(runs);
        for (const Run& run : runs) slowest_ = std::max(slowest_, run.GetAdjustedCPUTime());
    }
    void print() const {
        bench::print({"decision", slowest_, kLimit, "ns"});
    }

private:
    double slowest_{0};
};

}  // namespace

int main() {
    static constexpr Shape kShapes[]{{"each names a user", user, everything},
                                     {"each names anyone and an account", anyone, app},
                                     {"each names anyone and a pattern", anyone, apps},
                                     {"each names a group, of a caller in 32", group, everything},
                                     {"each names a group and an account", group, app},
                                     {"each names units and accounts by a pattern", unit, apps}};
    for (const Shape& shape : kShapes) {
        const auto add = [&](const std::string& what, vault::Verb verb, const std::string& account) {
            benchmark::RegisterBenchmark((std::string(shape.name) + ": " + what).c_str(), decide, shape, verb, account);
        };
        add("allowed", vault::Verb::kRetrieve, numbered("app:shop-", kAsked) + (shape.accounts == apps ? "-x" : ""));
        add("refused", vault::Verb::kRevoke, numbered("app:shop-", kAsked));
    }
    Verdict verdict;
    benchmark::RunSpecifiedBenchmarks(&verdict);
    verdict.print();
    return 0;
}
