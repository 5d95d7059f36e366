// SPDX-License-Identifier: LGPL-2.1-or-later
#include "daemon/vault/kept_token.h"

#include <limits>

#include "tests/catch.h"
#include "tests/vault/world.h"

namespace hwvault::vault {
namespace {

Token plain_token() {
    Token token;
    token.id.fill(3);
    token.name = token_name("deploy");
    token.created_at = token.changed_at = 1'700'000'000;
    Generation generation;
    generation.id.fill('a');
    generation.created_at = token.created_at;
    token.generations.push_back(generation);
    return token;
}

Token full_token() {
    Token token = plain_token();
    token.name = token_name(std::string(kMaxTokenNameSize, 'n'));
    token.origin = Origin::kImported;
    token.scopes.assign(kMaxScopes, std::string(kMaxScopeSize, 's'));
    token.description = std::string(kMaxDescriptionSize, 'd');
    token.lifetime = std::numeric_limits<std::uint64_t>::max();
    token.changed_at = 5;  // before it was made, by a clock that was set back
    token.revoked = true;
    token.seal_nonce.emplace().fill(4);
    for (std::uint8_t i = 1; i <= kMaxOverlapping; ++i) {
        Generation generation = token.generations.front();
        generation.number = (std::numeric_limits<std::uint64_t>::max() >> 1) - i;
        generation.given = i % 2 == 0;
        generation.id.fill(static_cast<char>('a' + i));
        generation.created_at = i;
        generation.expires_at = std::numeric_limits<std::uint64_t>::max() - i;
        token.generations.push_back(generation);
    }
    return token;
}

TEST_CASE("A token that is kept is read again as it was, the smallest and the largest") {
    for (const Token& token : {plain_token(), full_token()}) {
        const Bytes kept = keep(token);
        const KeptToken view{kept.data()};
        CHECK(view.read() == token);
        CHECK(view.size() == kept.size());
        CHECK(view.name() == token.name.text());
    }
}

TEST_CASE("What is kept has neither the account nor a hash or nonce") {
    Token token = plain_token();
    const Bytes kept = keep(token);
    token.account.fill(1);
    token.generations.back().hash.emplace().fill(2);
    token.generations.back().nonce.emplace().fill(3);
    CHECK(keep(token) == kept);
    CHECK(kept.size() <= 46);
}

}  // namespace
}  // namespace hwvault::vault
