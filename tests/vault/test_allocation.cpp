// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Verify is the fastest verb: looking a string up allocates nothing, hit or miss.
#include "tests/catch.h"
#include "tests/counted_new.h"
#include "tests/vault/world.h"

namespace hwvault::vault {
namespace {

TEST_CASE("Looking a string up allocates nothing") {
    World world;
    const Target target = world.target("user:alice", "a-name-that-is-too-long-for-a-small-string");
    world.create(target).value();
    const auto old = world.retrieve(target);
    world.rotate(target, 0, 3600).value();
    const auto current = world.retrieve(target);
    SecretBytes changed = SecretBytes::copy_of(current->reveal());
    changed.reveal_to_fill()[20] ^= 1;
    const SecretBytes unknown = crypto::make_token_text("hwv_", world.fresh().public_id, SecretBytes(32));
    const SecretBytes forged = crypto::make_token_text("hwv_", world.token(target).current().id, SecretBytes(32));
    REQUIRE(world.is_active(*current));  // the first call of a thread makes its hashing context

    const SecretBytes* const texts[] = {&*old, &*current, &changed, &unknown, &forged};
    std::size_t active = 0;
    const std::size_t before = tests::allocations;
    for (int i = 0; i < 100; ++i) {
        for (const SecretBytes* text : texts) {
            if (world.vault.verify(text->reveal(), world.now)) ++active;
            if (world.vault.recognise(text->reveal())) ++active;
        }
    }
    const std::size_t after = tests::allocations;
    CHECK(after == before);
    CHECK(active == 400);
    CHECK(tests::allocations > 0);  // that it counts at all
}

}  // namespace
}  // namespace hwvault::vault
