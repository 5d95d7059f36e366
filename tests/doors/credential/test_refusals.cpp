// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Whatever goes wrong, the answer is more than systemd takes for a credential: never nothing, and never a part.
#include <list>

#include "tests/doors/credential/harness.h"

using namespace hwvault;
using namespace hwvault::tests;
using doors::credential::Door;
using std::chrono::milliseconds;

TEST_CASE("what the vault refuses is refused") {
    for (const char* const name : {"denied", "missing"}) {
        Opened opened(mapped_to(name, short_limits()));
        CHECK(is_refusal(opened.ask().read_to_end()));
    }
}

TEST_CASE("a vault that does not answer is a refusal by the deadline, and its late token goes nowhere") {
    Opened opened(mapped_to("slow", short_limits()));
    const auto asked = std::chrono::steady_clock::now();
    CHECK(is_refusal(opened.ask().read_to_end()));
    CHECK(std::chrono::steady_clock::now() - asked >= short_limits().decision - milliseconds(1));
    opened.service.release();
}

TEST_CASE("who is busy for longer than is waited for is refused") {
    Door::Options options = mapped_to("ci", short_limits());
    options.limits.patience = std::chrono::seconds(2);
    options.limits.decision = std::chrono::seconds(10);
    Opened opened(std::move(options));
    opened.resolver.busy_answers = 1'000'000;
    CHECK(is_refusal(opened.ask().read_to_end()));
    CHECK(opened.resolver.resolved > 2);
    CHECK(opened.service.calls_of("Retrieve") == 0);
}

TEST_CASE("a name that systemd does not give, and another unit's, is refused before the vault hears of it") {
    Opened opened(mapped_to("ci", short_limits()));
    CHECK(is_refusal(SystemdClient(opened.path(), "").read_to_end()));
    CHECK(is_refusal(SystemdClient(opened.path(), std::string("\0hwvault", 8) + std::to_string(::getpid())).read_to_end()));
    CHECK(is_refusal(opened.ask("api-token", "shop.service").read_to_end()));
    CHECK(is_refusal(opened.ask("api-token", "billing.socket").read_to_end()));
    opened.on_strand([&] { opened.resolver.unit.reset(); });
    CHECK(is_refusal(opened.ask().read_to_end()));
    CHECK(opened.service.calls_of("Retrieve") == 0);
}

TEST_CASE("a peer that never reads is kept, and holds up nobody") {
    Opened opened(mapped_to("denied", short_limits()));
    auto silent = opened.ask();
    std::this_thread::sleep_for(4 * short_limits().unread);
    CHECK(is_refusal(opened.ask().read_to_end()));
    std::size_t kept = 0;
    CHECK(eventually([&] {
        opened.on_strand([&] { kept = opened.door->connections(); });
        return kept == 1;
    }));
    CHECK(is_refusal(silent.read_to_end()));
}

TEST_CASE("a peer that leaves gives its place back") {
    Door::Options options = mapped_to("slow", short_limits());
    options.limits.at_once = 1;
    Opened opened(std::move(options));
    opened.ask().close();
    CHECK(is_refusal(opened.ask().read_to_end()));
    std::size_t kept = 1;
    CHECK(eventually([&] {
        opened.on_strand([&] { kept = opened.door->connections(); });
        return kept == 0;
    }));
}

TEST_CASE("a daemon that stops refuses what it has not decided, and accepts nobody more") {
    Door::Options options = mapped_to("slow", short_limits());
    options.limits.decision = std::chrono::minutes(10);
    options.limits.drain = std::chrono::seconds(5);  // five megabytes are read here, one after the other
    Opened opened(std::move(options));
    std::list<SystemdClient> units;
    for (int i = 0; i < 5; ++i) units.push_back(opened.ask());
    REQUIRE(opened.service.wait_for("Retrieve", 5));
    opened.on_strand([&] { opened.door->stop(); });
    for (auto& unit : units) CHECK(is_refusal(unit.read_to_end()));
    CHECK_THROWS(opened.ask());
}
