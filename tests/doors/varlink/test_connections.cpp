// SPDX-License-Identifier: LGPL-2.1-or-later
#include "daemon/doors/varlink/connections.h"

#include <vector>

#include "tests/catch.h"

using namespace hwvault;
using doors::varlink::Connections;
using doors::varlink::kSmallBuffer;
using doors::varlink::Limits;

namespace {

constexpr std::uint32_t kAlice = 1'000;
constexpr std::uint32_t kBob = 1'001;

std::shared_ptr<Connections> with(std::size_t connections, std::size_t kept_for_root, std::size_t of_uid) {
    Limits limits;
    limits.connections = connections;
    limits.kept_for_root = kept_for_root;
    limits.connections_of_uid = of_uid;
    limits.buffered = 4 * kSmallBuffer;
    return std::make_shared<Connections>(limits);
}

}  // namespace

TEST_CASE("one user's connections are bounded, and another's are not touched by it") {
    const auto connections = with(100, 0, 2);
    std::vector<Connections::Place> alice;
    for (int i = 0; i < 2; ++i) {
        auto place = connections->enter(kAlice);
        REQUIRE(place);
        alice.push_back(std::move(*place));
    }
    CHECK(connections->enter(kAlice).error().code == ErrorCode::kBusy);
    CHECK(connections->enter(kBob));
    alice.pop_back();
    CHECK(connections->enter(kAlice));
    CHECK(connections->count() == 1);
}

TEST_CASE("one unit's connections are bounded, so that its user has some left") {
    Limits limits;
    limits.connections_of_uid = 3;
    limits.connections_of_unit = 2;
    const auto connections = std::make_shared<Connections>(limits);
    auto first = connections->enter(0).value();
    CHECK(first.belongs_to("billing.service"));
    {
        auto second = connections->enter(0).value();
        CHECK(second.belongs_to("billing.service"));
        auto third = connections->enter(0).value();
        CHECK(third.belongs_to("billing.service").error().code == ErrorCode::kBusy);
        CHECK(third.belongs_to("backup.service"));
    }
    auto next = connections->enter(0).value();
    CHECK(next.belongs_to("billing.service"));
}

TEST_CASE("when everybody else's connections are taken, root's are not") {
    const auto connections = with(4, 2, 100);
    const auto first = connections->enter(kAlice);
    const auto second = connections->enter(kBob);
    CHECK(first);
    CHECK(second);
    CHECK(connections->enter(kAlice).error().code == ErrorCode::kBusy);
    const auto third = connections->enter(0);
    const auto fourth = connections->enter(0);
    CHECK(third);
    CHECK(fourth);
    CHECK(connections->enter(0).error().code == ErrorCode::kBusy);
}

TEST_CASE("large buffers share their memory, small ones cost none") {
    const auto connections = with(4, 0, 4);
    Connections::Memory first(connections);
    {
        Connections::Memory second(connections);
        CHECK(first.resize(3 * kSmallBuffer));
        CHECK(second.resize(kSmallBuffer));
        CHECK_FALSE(second.resize(2 * kSmallBuffer));
        CHECK(first.resize(2 * kSmallBuffer));
        CHECK(second.resize(2 * kSmallBuffer));
        CHECK_FALSE(first.resize(3 * kSmallBuffer));
    }
    CHECK(first.resize(4 * kSmallBuffer));
    CHECK_FALSE(first.resize(5 * kSmallBuffer));
}
