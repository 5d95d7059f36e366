// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The judge of histories, on made-up ones.
#include "tests/catch.h"
#include "tests/exactness/history.h"

using namespace hwvault::exactness;

namespace {

constexpr bool kYes = true;
constexpr bool kNo = false;

// Retrieved at 100 to 110, ended at 200 to 210.
const Lives kRevoked{{.from = 100, .good = 110, .ends = 200, .gone = 210}};
// The same, but nobody knows whether it was ended.
const Lives kLost{{.from = 100, .good = 110, .ends = 200, .gone = kNever}};

}  // namespace

TEST_CASE("A yes that was asked after a revocation was answered is stale, and one beside it is not") {
    CHECK(judge(kRevoked, {211, 220, kYes}) == Verdict::kStaleYes);
    CHECK(judge(kRevoked, {1'000, 1'001, kYes}) == Verdict::kStaleYes);
    CHECK(judge(kRevoked, {209, 1'000, kYes}) == Verdict::kTrue);
    CHECK(judge(kRevoked, {150, 151, kYes}) == Verdict::kTrue);
    CHECK(judge(kLost, {1'000, 1'001, kYes}) == Verdict::kTrue);
}

TEST_CASE("A yes to what was never given is a stale one too") {
    CHECK(judge({}, {1, 2, kYes}) == Verdict::kStaleYes);
    CHECK(judge(kRevoked, {50, 99, kYes}) == Verdict::kStaleYes);
    CHECK(judge(kRevoked, {50, 101, kYes}) == Verdict::kTrue);
}

TEST_CASE("A no between the answered Retrieve and the first that could end it is wrong, and one beside either is not") {
    CHECK(judge(kRevoked, {111, 199, kNo}) == Verdict::kWrongNo);
    CHECK(judge(kLost, {111, 199, kNo}) == Verdict::kWrongNo);
    CHECK(judge(kRevoked, {111, 201, kNo}) == Verdict::kTrue);
    CHECK(judge(kRevoked, {109, 150, kNo}) == Verdict::kTrue);
    CHECK(judge(kRevoked, {211, 212, kNo}) == Verdict::kTrue);
    CHECK(judge(kLost, {1'000, 1'001, kNo}) == Verdict::kTrue);
    CHECK(judge({}, {1, 2, kNo}) == Verdict::kTrue);
}

TEST_CASE("Of several calls that end it the first asked and the first answered count, and a lost one has no answer") {
    Life life{.from = 100, .good = 110};
    life.end(300, kNever);
    CHECK(judge({life}, {120, 299, kNo}) == Verdict::kWrongNo);
    CHECK(judge({life}, {120, 301, kNo}) == Verdict::kTrue);
    CHECK(judge({life}, {500, 501, kYes}) == Verdict::kTrue);
    life.end(400, 410);
    life.end(450, 460);
    CHECK(judge({life}, {411, 412, kYes}) == Verdict::kStaleYes);
    CHECK(judge({life}, {350, 360, kNo}) == Verdict::kTrue);
}

TEST_CASE("What comes back, as a permission does, is judged by the life that a verify fell into") {
    const Lives lives{{.from = 0, .good = 10, .ends = 100, .gone = 110}, {.from = 200, .good = 210, .ends = kNever, .gone = kNever}};
    CHECK(judge(lives, {111, 199, kYes}) == Verdict::kStaleYes);
    CHECK(judge(lives, {111, 201, kYes}) == Verdict::kTrue);
    CHECK(judge(lives, {111, 199, kNo}) == Verdict::kTrue);
    CHECK(judge(lives, {211, 212, kNo}) == Verdict::kWrongNo);
    CHECK(judge(lives, {50, 250, kNo}) == Verdict::kTrue);
}

TEST_CASE("One wrong verify among many is found by the two that are kept of them") {
    Decisive kept;
    CHECK(kept.judge(kRevoked) == Verdict::kTrue);
    for (Time at = 111; at < 199; ++at) kept.add({at, at + 1, kYes});
    for (Time at = 211; at < 300; ++at) kept.add({at, at + 1, kNo});
    CHECK(kept.judge(kRevoked) == Verdict::kTrue);
    SECTION("a stale yes") {
        kept.add({250, 251, kYes});
        kept.add({205, 206, kYes});
        CHECK(kept.judge(kRevoked) == Verdict::kStaleYes);
    }
    SECTION("a wrong no") {
        kept.add({198, 199, kNo});
        kept.add({195, 203, kNo});
        CHECK(kept.judge(kRevoked) == Verdict::kWrongNo);
    }
}
