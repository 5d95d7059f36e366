// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Verify allocates nothing for who may verify any token: not for the answer, and not to remember who used it.
#include <array>

#include "tests/counted_new.h"
#include "tests/service/harness.h"

namespace hwvault::service {
namespace {

TEST_CASE("A thousand verifications allocate nothing") {
    Harness vault;
    const std::string active = vault.get(vault.alice);
    std::string wrong = active;
    wrong.back() = wrong.back() == '0' ? '1' : '0';
    policy::Caller checker = vault.root;
    checker.unit = "a-name-that-is-too-long-for-a-small-string.service";
    REQUIRE(vault.service().verify(checker, bytes_of(active)).value().active);  // remembers both names

    std::size_t found = 0;
    const std::size_t before = tests::allocations;
    for (int i = 0; i < 1'000; ++i) {
        if (vault.service().verify(checker, bytes_of(active)).value().active) ++found;
        if (vault.service().verify(checker, bytes_of(wrong)).value().active) ++found;
    }
    const std::array<BytesView, 3> together{bytes_of(active), bytes_of(wrong), bytes_of(active)};
    for (int i = 0; i < 1'000; ++i) {
        vault.service().verify_some(checker, together, [&found](const Verification& each) {
            if (each.active) ++found;
            return true;
        });
    }
    const std::size_t after = tests::allocations;
    CHECK(after == before);
    CHECK(found == 3'000);
    CHECK(before > 0);  // that it counts at all
}

}  // namespace
}  // namespace hwvault::service
