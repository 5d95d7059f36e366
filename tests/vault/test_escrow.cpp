// SPDX-License-Identifier: LGPL-2.1-or-later
#include "daemon/vault/escrow.h"

#include <boost/json/parse.hpp>

#include "tests/vault/world.h"

namespace hwvault::vault {
namespace {

const Id kVault{1, 2, 3};

struct Record {
    Account account;
    Token token;
    [[nodiscard]] EscrowPlace place() const { return {kVault, account, token}; }
};

Record sample() {
    World world;
    CreateOptions options;
    options.scopes = {"push"};
    options.description = "for the \"nightly\", \xc3\xbc";
    options.expires_in = 600;
    const Target target = world.target("user:alice", "deploy");
    world.create(target, options).value();
    return {*world.vault.find(target.account), world.token(target)};
}

// What comes back of what was put in.
std::string round_trip(std::string_view string) {
    const Record record = sample();
    const SecretBytes text = escrow_text(record.place(), 9, bytes_of(string));
    const auto back = string_in_escrow(record.place(), text.reveal());
    REQUIRE(back);
    return std::string(text_of(back->reveal()));
}

void check_refused(const EscrowPlace& place, std::string_view text) {
    const auto refused = string_in_escrow(place, bytes_of(text));
    REQUIRE_FALSE(refused);
    CHECK(refused.error().code == ErrorCode::kStoreTampered);
}

TEST_CASE("Any string comes back out of its escrow") {
    std::string all;
    for (int byte = 0; byte < 256; ++byte) all.push_back(static_cast<char>(byte));
    const std::string string = GENERATE_COPY(std::string("hwv_1"), std::string("a, b, {c} 'd'"), std::string("\""),
                                             std::string("\\"), std::string("x\",\"secret\":\"y"), all,
                                             std::string(1 << 20, '\n'), std::string("\xc3\xbc"));
    CHECK(round_trip(string) == string);
}

TEST_CASE("An escrow is JSON that says what it is of") {
    const Record record = sample();
    const SecretBytes text = escrow_text(record.place(), 9, bytes_of("hwv_1"));
    const auto object = boost::json::parse(std::string(text_of(text.reveal()))).as_object();
    CHECK(object.at("format") == "hwvault/escrow/1");
    CHECK(object.at("vault") == "01020300000000000000000000000000");
    CHECK(object.at("account") == "user:alice");
    CHECK(object.at("name") == "deploy");
    CHECK(object.at("generation") == 1);
    CHECK(object.at("epoch") == 9);
    CHECK(object.at("origin") == "issued");
    CHECK(object.at("scopes") == boost::json::array{"push"});
    CHECK(object.at("description") == "for the \"nightly\", \xc3\xbc");
    CHECK(object.at("expires_at") == record.token.current().expires_at);
    CHECK(object.at("secret") == "hwv_1");
    const SecretBytes binary = escrow_text(record.place(), 9, bytes_of("\x01"));
    CHECK(boost::json::parse(std::string(text_of(binary.reveal()))).as_object().at("secret_base64") == "AQ==");
}

TEST_CASE("An escrow in another place is refused") {
    const Record record = sample();
    const SecretBytes text = escrow_text(record.place(), 9, bytes_of("hwv_1"));
    Record other = record;
    SECTION("of another account") { other.account.id[0] ^= 1; }
    SECTION("of another account's name") { other.account.name = AccountName::parse("user:bob").value(); }
    SECTION("of another record") { other.token.id[0] ^= 1; }
    SECTION("of another name") { other.token.name = TokenName::parse("other").value(); }
    SECTION("of another generation") { other.token.generations.back().number = 2; }
    SECTION("of another generation of that number") { other.token.generations.back().id[0] = '-'; }
    SECTION("of another origin") { other.token.origin = Origin::kImported; }
    check_refused(other.place(), text_of(text.reveal()));
    const Id another_vault{9};
    check_refused({another_vault, record.account, record.token}, text_of(text.reveal()));
    CHECK(string_in_escrow(record.place(), text.reveal()));
}

TEST_CASE("What is no escrow is refused") {
    const Record record = sample();
    const SecretBytes secret = escrow_text(record.place(), 9, bytes_of("hwv_1"));
    const std::string text(text_of(secret.reveal()));
    for (std::size_t size = 0; size < text.size(); ++size) check_refused(record.place(), text.substr(0, size));
    check_refused(record.place(), text + " ");
    check_refused(record.place(), "{\"secret\":\"hwv_1\"}");
    check_refused(record.place(), "[1,\"secret\":\"hwv_1\"}");
    const std::string head = text.substr(0, text.find(",\"secret\""));
    check_refused(record.place(), head + ",\"secret\":\"\"}");
    check_refused(record.place(), head + ",\"secret\":\"a\nb\"}");
    check_refused(record.place(), head + ",\"secret_base64\":\"!\"}");
}

TEST_CASE("A sealed issued string goes with its generation") {
    World world;
    const Target target = world.target("user:alice", "deploy");
    world.create(target).value();
    Token sealed = world.token(target);
    sealed.seal_nonce = Nonce{7};
    world.vault.load(sealed);
    SECTION("when it is rotated") {
        const auto plan = world.rotate(target, 0, 60);
        CHECK(change_in(*plan)->tokens.front().sealed_content == Bytes{});
        CHECK_FALSE(world.token(target).seal_nonce);
    }
    SECTION("when it is revoked") {
        const auto plan = world.revoke(target);
        CHECK(change_in(*plan)->tokens.front().sealed_content == Bytes{});
        CHECK_FALSE(world.token(target).seal_nonce);
    }
}

TEST_CASE("A sealed issued string stays when an older generation is revoked") {
    World world;
    const Target target = world.target("user:alice", "deploy");
    world.create(target).value();
    world.rotate(target, 0, 60).value();
    Token sealed = world.token(target);
    sealed.seal_nonce = Nonce{7};
    world.vault.load(sealed);
    const auto plan = world.revoke(target, 1);
    CHECK_FALSE(change_in(*plan)->tokens.front().sealed_content);
    CHECK(world.token(target).seal_nonce == Nonce{7});
}

}  // namespace
}  // namespace hwvault::vault
