// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What a unit is given, and as whom it was asked for.
#include <list>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>

#include "tests/doors/credential/harness.h"

using namespace hwvault;
using namespace hwvault::tests;
using doors::credential::Door;
using doors::credential::Place;
using std::chrono::milliseconds;

namespace {

// Puts a secret of so many bytes into the fake vault, which gives it as `imported`.
void import(Opened& opened, std::size_t size) {
    opened.on_strand([&] {
        boost::asio::co_spawn(
            opened.service.executor(),
            [&opened, size]() -> boost::asio::awaitable<void> {
                SecretBytes secret(size);
                for (auto& byte : secret.reveal_to_fill()) byte = 's';
                policy::Caller root;
                auto imported = co_await opened.service.import(std::move(root), "", "imported", std::move(secret), {});
                static_cast<void>(imported);
            },
            boost::asio::detached);
    });
    REQUIRE(opened.service.wait_for("Import", 1));
}

}  // namespace

TEST_CASE("a unit is given its own default, byte by byte, and is asked for as the unit alone") {
    Opened opened;
    CHECK(opened.ask().read_to_end() == FakeService::kToken);
    const auto asked = opened.service.last("Retrieve");
    REQUIRE(asked);
    CHECK(asked->account == "unit:billing.service");
    CHECK(asked->name == "default");
    CHECK(asked->caller.uid == 65'534);
    CHECK_FALSE(asked->caller.user);
    CHECK(asked->caller.groups.empty());
    CHECK(asked->caller.unit == kUnitName);
    CHECK(asked->caller.invocation == "0123456789abcdef0123456789abcdef");
}

TEST_CASE("a credential that is named in the configuration is that token, from the next connection on") {
    Opened opened(mapped_to("ci"));
    CHECK(opened.ask().read_to_end() == FakeService::kToken);
    CHECK(opened.service.last("Retrieve")->account == "app:billing");
    CHECK(opened.service.last("Retrieve")->name == "ci");
    CHECK(opened.ask("another").read_to_end() == FakeService::kToken);
    CHECK(opened.service.last("Retrieve")->account == "unit:billing.service");

    opened.on_strand([&] {
        doors::credential::Mapping mapping;
        mapping[Place{std::string(kUnitName), "api-token"}] = {"app:shop", "db"};
        opened.door->set_mapping(std::move(mapping));
    });
    CHECK(opened.ask().read_to_end() == FakeService::kToken);
    CHECK(opened.service.last("Retrieve")->account == "app:shop");
}

TEST_CASE("fifty units at once, and four hundred after them, all get theirs") {
    Door::Options options;
    const auto store = std::make_shared<FakeDescriptorStore>();
    options.descriptor_store = store;
    Opened opened(std::move(options));
    for (const int count : {50, 400}) {
        std::list<SystemdClient> units;
        for (int i = 0; i < count; ++i) units.push_back(opened.ask());
        for (auto& unit : units) CHECK(unit.read_to_end() == FakeService::kToken);
    }
    CHECK(eventually([&] { return store->count() == 0; }));
}

TEST_CASE("no more are taken on than there are places, and the others wait for theirs") {
    Door::Options options = mapped_to("slow");
    options.limits.at_once = 3;
    const auto store = std::make_shared<FakeDescriptorStore>();
    options.descriptor_store = store;
    Opened opened(std::move(options));
    std::list<SystemdClient> units;
    for (int i = 0; i < 10; ++i) units.push_back(opened.ask());
    REQUIRE(opened.service.wait_for("Retrieve", 3));
    CHECK(units.back().hears_nothing_for(milliseconds(100)));
    CHECK(opened.service.calls_of("Retrieve") == 3);
    CHECK(store->count() == 3);
    opened.service.release();
    for (auto& unit : units) CHECK(unit.read_to_end() == FakeService::kToken);
    CHECK(store->most() == 3);
}

TEST_CASE("the largest secret that systemd takes is given whole, and one byte more is refused") {
    const std::string credential = "api-token";
    Opened opened(mapped_to("imported"));
    import(opened, doors::credential::kMostOfSystemd - credential.size());
    const std::string whole = opened.ask(credential).read_to_end();
    CHECK(whole == std::string(doors::credential::kMostOfSystemd - credential.size(), 's'));
    import(opened, doors::credential::kMostOfSystemd - credential.size() + 1);
    REQUIRE(eventually([&] { return opened.service.calls_of("Import") == 2; }));
    CHECK(is_refusal(opened.ask(credential).read_to_end()));
}

TEST_CASE("what may pass is tried again, and the unit never hears of it") {
    Opened opened;
    opened.resolver.busy_answers = 3;
    CHECK(opened.ask().read_to_end() == FakeService::kToken);
    CHECK(opened.resolver.resolved == 4);
}

TEST_CASE("a peer that reads late is waited for, and gets all of its token") {
    Door::Options options = mapped_to("imported");
    options.limits = short_limits();
    options.limits.decision = std::chrono::seconds(10);
    Opened opened(std::move(options));
    import(opened, 900'000);
    auto late = opened.ask();
    std::this_thread::sleep_for(3 * short_limits().unread);
    CHECK(late.read_to_end() == std::string(900'000, 's'));
}
