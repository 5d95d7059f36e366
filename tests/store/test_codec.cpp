// SPDX-License-Identifier: LGPL-2.1-or-later
#include <algorithm>

#include "daemon/store/codec.h"
#include "foundation/fields.h"
#include "tests/store/fixture.h"

using namespace hwvault;
using namespace hwvault::store::testing;

namespace {

vault::Account full_account() {
    vault::Account account = account_of(1, "app:deploy");
    account.uid = 1000;
    account.owners = {"group:ops", "user:alice"};
    return account;
}

vault::Token full_token() {
    vault::Token token = imported_token_of(1, full_account(), "ci");
    token.lifetime = 3'600;
    token.generations.resize(3, token.current());
    token.generations[1].hash.emplace().fill(9);
    token.generations[1].given = true;
    token.generations[2].number = 3;
    token.generations[2].expires_at = 5'000;
    token.revoked = true;
    return token;
}

Bytes flipped(Bytes bytes, std::size_t bit) {
    bytes[bit / 8] = static_cast<std::uint8_t>(bytes[bit / 8] ^ (1U << bit % 8));
    return bytes;
}

}  // namespace

TEST_CASE("An account that is encoded and decoded is the same account") {
    CHECK(store::decode_account(store::encode(full_account())) == full_account());
    const auto plain = account_of(2, "user:alice");
    CHECK(store::decode_account(store::encode(plain)) == plain);
}

TEST_CASE("A token that is encoded and decoded is the same token") {
    CHECK(store::decode_token(store::encode(full_token())) == full_token());
    const auto plain = token_of(2, full_account(), "default");
    CHECK(store::decode_token(store::encode(plain)) == plain);
}

TEST_CASE("A body cut anywhere, or with a byte more, is no record") {
    const Bytes account = store::encode(full_account());
    const Bytes token = store::encode(full_token());
    for (std::size_t size = 0; size < account.size(); ++size) {
        CHECK_FALSE(store::decode_account(BytesView{account}.first(size)));
    }
    for (std::size_t size = 0; size < token.size(); ++size) {
        CHECK_FALSE(store::decode_token(BytesView{token}.first(size)));
    }
    Bytes longer = account;
    longer.push_back(0);
    CHECK_FALSE(store::decode_account(longer));
    longer = token;
    longer.push_back(0);
    CHECK_FALSE(store::decode_token(longer));
}

TEST_CASE("Whatever bit of a body is changed, it is refused or encodes to the changed bytes") {
    const Bytes account = store::encode(full_account());
    for (std::size_t bit = 0; bit < account.size() * 8; ++bit) {
        const Bytes changed = flipped(account, bit);
        if (const auto decoded = store::decode_account(changed)) CHECK(store::encode(*decoded) == changed);
    }
    const Bytes token = store::encode(full_token());
    for (std::size_t bit = 0; bit < token.size() * 8; ++bit) {
        const Bytes changed = flipped(token, bit);
        if (const auto decoded = store::decode_token(changed)) CHECK(store::encode(*decoded) == changed);
    }
}

TEST_CASE("A body of another format, or of the other kind, is no record") {
    Bytes account = store::encode(full_account());
    Bytes token = store::encode(full_token());
    CHECK_FALSE(store::decode_token(account));
    CHECK_FALSE(store::decode_account(token));
    account[sizeof(std::uint32_t)] = 2;
    token[sizeof(std::uint32_t)] = 2;
    CHECK_FALSE(store::decode_account(account));
    CHECK_FALSE(store::decode_token(token));
}

TEST_CASE("Counts and lengths above their caps are refused") {
    vault::Account account = full_account();
    account.owners.assign(vault::kMaxOwners, "user:alice");
    CHECK(store::decode_account(store::encode(account)));
    account.owners.emplace_back("user:bob");
    CHECK_FALSE(store::decode_account(store::encode(account)));

    vault::Token token = full_token();
    token.scopes.assign(vault::kMaxScopes + 1, "read");
    CHECK_FALSE(store::decode_token(store::encode(token)));
    token.scopes = {std::string(vault::kMaxScopeSize + 1, 'x')};
    CHECK_FALSE(store::decode_token(store::encode(token)));
    token = full_token();
    token.description = std::string(vault::kMaxDescriptionSize + 1, 'x');
    CHECK_FALSE(store::decode_token(store::encode(token)));
    token = full_token();
    token.generations.resize(vault::kMaxOverlapping + 2, token.current());
    CHECK_FALSE(store::decode_token(store::encode(token)));
    token.generations.clear();
    CHECK_FALSE(store::decode_token(store::encode(token)));
}

TEST_CASE("A count that no body could hold is refused at once") {
    FieldWriter fields;
    fields.number(1).bytes(id_of('a', 1)).text("app:deploy").number(0).number(~std::uint64_t{0});
    CHECK_FALSE(store::decode_account(fields.view()));
}

TEST_CASE("Names outside the grammar are refused, and so is an empty one that means `default`") {
    const auto account = [](std::string_view name) {
        return FieldWriter().number(1).bytes(id_of('a', 1)).text(name).number(0).number(0).number(0).take();
    };
    CHECK(store::decode_account(account("user:alice")));
    CHECK_FALSE(store::decode_account(account("alice")));
    CHECK_FALSE(store::decode_account(account("")));

    const Bytes token = store::encode(token_of(1, full_account(), "x"));
    const Bytes name = FieldWriter().text("x").take();
    auto at = std::search(token.begin(), token.end(), name.begin(), name.end());
    REQUIRE(at != token.end());
    Bytes nameless(token.begin(), at);
    const Bytes empty = FieldWriter().text("").take();
    nameless.insert(nameless.end(), empty.begin(), empty.end());
    nameless.insert(nameless.end(), at + static_cast<std::ptrdiff_t>(name.size()), token.end());
    CHECK_FALSE(store::decode_token(nameless));
}
