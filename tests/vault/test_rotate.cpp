// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Rotate: the successor, the overlap and its end, and that a retry rotates once.
#include <vector>

#include "tests/catch.h"
#include "tests/vault/world.h"

namespace hwvault::vault {
namespace {

TEST_CASE("Rotating without an overlap ends the old string at once") {
    World world;
    const Target target = world.target("user:alice", "deploy");
    world.create(target).value();
    const auto old = world.retrieve(target);
    const auto plan = world.rotate(target);
    CHECK(word_of(plan) == "Withdraws");
    CHECK(change_in(*plan)->event->verb == Verb::kRotate);
    CHECK(change_in(*plan)->notice->event == "rotated");
    CHECK(change_in(*plan)->notice->generation == 2);
    CHECK_FALSE(world.is_active(*old));
    CHECK(world.is_active(*world.retrieve(target)));
    CHECK(world.token(target).generations.size() == 1);
}

TEST_CASE("An overlap ends at its deadline and not a second later") {
    World world;
    const Target target = world.target("user:alice", "deploy");
    world.create(target).value();
    const auto old = world.retrieve(target);
    world.rotate(target, 0, 3600).value();
    const auto current = world.retrieve(target);
    world.now += 3599;
    CHECK(world.is_active(*old));
    world.now += 1;
    CHECK_FALSE(world.is_active(*old));
    CHECK(world.is_active(*current));
}

TEST_CASE("An overlap never makes a string live longer than its own lifetime") {
    World world;
    const Target target = world.target("user:alice", "deploy");
    CreateOptions options;
    options.expires_in = 100;
    world.create(target, options).value();
    const UnixTime end = world.now + 100;
    const auto old = world.retrieve(target);
    world.now += 50;
    world.rotate(target, 0, 3600).value();
    CHECK(world.token(target).generations.front().expires_at == end);
    CHECK(world.token(target).current().expires_at == world.now + 100);
    world.now = end;
    CHECK_FALSE(world.is_active(*old));
}

TEST_CASE("An expired string is not revived by a rotation") {
    World world;
    const Target target = world.target("user:alice", "deploy");
    CreateOptions options;
    options.expires_in = 100;
    world.create(target, options).value();
    const auto old = world.retrieve(target);
    world.now += 100;
    CHECK(word_of(world.rotate(target, 0, 3600)) == "Withdraws");
    CHECK_FALSE(world.is_active(*old));
    CHECK(world.token(target).generations.size() == 1);
    CHECK(world.is_active(*world.retrieve(target)));
}

TEST_CASE("A repeated rotation names its generation and rotates once") {
    World world;
    const Target target = world.target("user:alice", "deploy");
    world.create(target).value();
    world.rotate(target, 1, 3600).value();
    const auto current = world.retrieve(target);
    for (int retry = 0; retry < 3; ++retry) CHECK(word_of(world.rotate(target, 1, 3600)) == "Unchanged");
    CHECK(word_of(world.rotate(target, 1, 0)) == "Unchanged");
    CHECK(world.is_active(*current));
    CHECK(world.token(target).current().number == 2);
}

TEST_CASE("Default has no overlap, and its rotation is a revocation") {
    World world;
    const Target target = world.target("user:alice");
    world.create(target).value();
    const auto old = world.retrieve(target);
    CHECK(word_of(world.rotate(target, 0, 1)) == "InvalidArgument");
    CHECK(world.is_active(*old));
    const auto plan = world.rotate(target, 1, 0);
    CHECK(word_of(plan) == "Withdraws");
    CHECK(change_in(*plan)->event->verb == Verb::kRotate);
    CHECK(change_in(*plan)->notice->event == "rotated");
    CHECK(change_in(*plan)->notice->generation == 2);
    CHECK_FALSE(world.is_active(*old));
    CHECK(world.token(target).generations.size() == 1);
    CHECK(word_of(world.rotate(target, 1, 0)) == "Unchanged");
}

TEST_CASE("So many older generations live at once and no more") {
    World world;
    const Target target = world.target("user:alice", "deploy");
    world.create(target).value();
    std::vector<SecretBytes> texts;
    texts.push_back(world.retrieve(target).value());
    for (std::size_t i = 0; i < kMaxOverlapping; ++i) {
        world.now += 1;
        CHECK(word_of(world.rotate(target, 0, 3600)) == "Withdraws");
        texts.push_back(world.retrieve(target).value());
    }
    for (const SecretBytes& text : texts) CHECK(world.is_active(text));
    CHECK(word_of(world.rotate(target, 0, 3600)) == "QuotaExceeded");
    for (const SecretBytes& text : texts) CHECK(world.is_active(text));

    SECTION("an emergency rotation, without an overlap, is always possible") {
        CHECK(word_of(world.rotate(target)) == "Withdraws");
        CHECK_FALSE(world.is_active(texts.back()));
    }
    SECTION("revoking one makes room") {
        CHECK(word_of(world.revoke(target, 4)) == "Withdraws");
        CHECK(word_of(world.rotate(target, 0, 3600)) == "Withdraws");
    }
    SECTION("the end of the first overlap makes room") {
        world.now += 3601 - kMaxOverlapping;
        CHECK_FALSE(world.is_active(texts.front()));
        CHECK(word_of(world.rotate(target, 0, 3600)) == "Withdraws");
        CHECK(world.token(target).generations.size() == kMaxOverlapping + 1);
    }
}

TEST_CASE("An overlap has a longest") {
    World world;
    const Target target = world.target("user:alice", "deploy");
    world.create(target).value();
    CHECK(word_of(world.rotate(target, 0, kMaxOverlap + 1)) == "InvalidArgument");
    CHECK(word_of(world.rotate(target, 0, ~std::uint64_t{0})) == "InvalidArgument");
    CHECK(word_of(world.rotate(target, 0, kMaxOverlap)) == "Withdraws");
}

TEST_CASE("A third party's secret is not ours to rotate") {
    World world;
    world.import(world.target("user:alice", "npm")).value();
    CHECK(word_of(world.rotate(world.target("user:alice", "npm"))) == "InvalidArgument");
}

TEST_CASE("What is not there, or was revoked, is not rotated") {
    World world;
    const Target target = world.target("user:alice", "deploy");
    CHECK(word_of(world.rotate(target)) == "NotFound");
    world.create(target).value();
    CHECK(word_of(world.rotate(target, 2)) == "NotFound");
    world.revoke(target).value();
    CHECK(word_of(world.rotate(target)) == "NotFound");
    CHECK(word_of(world.rotate(target, 1)) == "NotFound");
    CHECK(world.token(target).revoked);
}

}  // namespace
}  // namespace hwvault::vault
