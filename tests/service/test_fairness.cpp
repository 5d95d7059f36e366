// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Time on the device, shared out between callers: one that floods it delays another by about one round, and nobody
// waits for a turn without a bound.
#include <memory>
#include <optional>
#include <vector>

#include "tests/service/harness.h"

using namespace hwvault;
using namespace hwvault::service;

namespace {

constexpr std::size_t kAtOnce = 16;  // that the service has at the device
constexpr auto kRound = std::chrono::milliseconds(40);

using Outcome = std::shared_ptr<std::optional<Result<Retrieved>>>;

std::vector<Outcome> flood_with(Harness& vault, const policy::Caller& caller, std::size_t calls) {
    std::vector<Outcome> flood;
    for (std::size_t i = 0; i < calls; ++i) flood.push_back(vault.begin(vault.service().retrieve({caller}, "", "")));
    return flood;
}

std::size_t ended(const std::vector<Outcome>& calls) {
    return static_cast<std::size_t>(std::ranges::count_if(calls, [](const Outcome& call) { return call->has_value(); }));
}

std::size_t count_of(const std::vector<Outcome>& calls, ErrorCode code) {
    return static_cast<std::size_t>(std::ranges::count_if(
        calls, [code](const Outcome& call) { return !**call && (*call)->error().code == code; }));
}

// One call comes while the flood is at the device; how many of the flood ended before it did.
std::size_t overtaken_by(Harness& vault, const policy::Caller& one, const policy::Caller& many) {
    vault.get(one);
    vault.get(many);
    vault.device().slow = kRound;
    const auto flood = flood_with(vault, many, 10 * kAtOnce);
    vault.until([&] { return ended(flood) > 0; });
    const std::size_t before = ended(flood);
    REQUIRE_FALSE(vault.get(one).empty());
    const std::size_t overtaken = ended(flood) - before;
    vault.until([&] { return ended(flood) == flood.size(); });
    for (const Outcome& call : flood) CHECK(call->value());
    CHECK(vault.device().most_deriving == kAtOnce);
    return overtaken;
}

}  // namespace

TEST_CASE("A flood of one user delays another's single call by about one round at the device, not by the flood") {
    Harness vault;
    CHECK(overtaken_by(vault, vault.bob, vault.alice) <= 3 * kAtOnce);
}

TEST_CASE("A flood of one unit does not hold up another program of the same uid") {
    Harness vault;
    policy::Caller backup = vault.root;
    backup.unit = "backup.service";
    CHECK(overtaken_by(vault, vault.root, backup) <= 3 * kAtOnce);
}

TEST_CASE("Imports take their turn at the device as well") {
    Harness vault;
    vault.get(vault.bob);
    vault.get(vault.alice);
    vault.device().slow = kRound;
    std::vector<std::shared_ptr<std::optional<Result<vault::Info>>>> flood;
    for (std::size_t i = 0; i < 5 * kAtOnce; ++i) {
        flood.push_back(vault.begin(vault.service().import(vault.alice, "", "s" + std::to_string(i),
                                                           SecretBytes::copy_of(bytes_of("secret")), {})));
    }
    REQUIRE_FALSE(vault.get(vault.bob).empty());
    vault.until([&] { return std::ranges::all_of(flood, [](const auto& call) { return call->has_value(); }); });
    for (const auto& call : flood) CHECK(call->value());
    CHECK(vault.device().most_deriving == kAtOnce);
}

TEST_CASE("While the device hangs a caller waits a named time for its turn, and is told to try again") {
    Harness vault;
    vault.get(vault.alice);
    vault.device().hang = true;
    const auto began = std::chrono::steady_clock::now();
    const auto flood = flood_with(vault, vault.alice, 3 * kAtOnce);
    vault.until([&] { return ended(flood) == flood.size(); });
    // Three seconds each at the device; whose turn did not come within five is not kept any longer.
    CHECK(count_of(flood, ErrorCode::kHardwareUnavailable) == 2 * kAtOnce);
    CHECK(count_of(flood, ErrorCode::kBusy) == kAtOnce);
    CHECK(std::chrono::steady_clock::now() - began < std::chrono::seconds(20));
    vault.device().hang = false;
    CHECK_FALSE(vault.get(vault.alice).empty());
}
