// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The short way of Verify against the general one: the same calls mean the same, the same answers are the same bytes.
#include "daemon/doors/varlink/plain_verify.h"

#include "daemon/doors/varlink/call.h"
#include "daemon/doors/varlink/parameters.h"
#include "daemon/doors/varlink/translate.h"
#include "tests/doors/varlink/harness.h"

using namespace hwvault;
using namespace hwvault::tests;
using namespace hwvault::doors::varlink;

namespace {

const std::string kHead = R"({"method":"org.hwvault.Vault.Verify","parameters":{"token":")";

// The token as read_call() and Parameters have it.
std::string token_of_call(std::string_view message) {
    auto call = read_call(bytes_of(message));
    REQUIRE(call);
    CHECK(call->method == "org.hwvault.Vault.Verify");
    CHECK_FALSE((call->oneway || call->more || call->upgrade));
    Parameters in(std::move(call->parameters));
    const SecretBytes token = in.secret("token", 1'000);
    CHECK_FALSE(in.refusal());
    return std::string(text_of(token.reveal()));
}

bool is_plain(std::string_view message) {
    return token_of_plain_verify(bytes_of(message)).has_value();
}

// What write_verification() writes, and what message_of() does.
void require_same(const service::Verification& verification) {
    Reply reply = success();
    reply.parameters.emplace("active", verification.active);
    if (verification.active) reply.parameters.emplace("info", brief(verification));
    const SecretBytes expected = message_of(std::move(reply));
    std::vector<std::uint8_t> space(kMaxVerification);
    space.resize(write_verification(space, verification));
    CHECK(text_of(space) == text_of(expected.reveal()));
}

}  // namespace

TEST_CASE("a plain Verify is what the general parser reads") {
    const std::string token(FakeService::kToken);
    for (const std::string& message :
         {kHead + token + "\"}}", R"({"method": "org.hwvault.Vault.Verify", "parameters": {"token": ")" + token + "\"}}",
          R"({"parameters":{"token":")" + token + R"("},"method":"org.hwvault.Vault.Verify"})", kHead + "\"}}",
          kHead + "a {}[],: b\x7F" + "\"}}"}) {
        CAPTURE(message);
        const auto plain = token_of_plain_verify(bytes_of(message));
        REQUIRE(plain);
        CHECK(text_of(*plain) == token_of_call(message));
    }
}

TEST_CASE("what is not exactly a plain Verify is left to the general parser") {
    const std::string token(FakeService::kToken);
    CHECK_FALSE(is_plain(""));
    CHECK_FALSE(is_plain(kHead));
    CHECK_FALSE(is_plain(kHead + token));
    CHECK_FALSE(is_plain(kHead + token + "\"}"));
    CHECK_FALSE(is_plain(kHead + token + "\"}} "));
    CHECK_FALSE(is_plain(" " + kHead + token + "\"}}"));
    CHECK_FALSE(is_plain(kHead + token + R"(","base64":true}})"));
    CHECK_FALSE(is_plain(kHead + token + R"("},"oneway":true})"));
    CHECK_FALSE(is_plain(kHead + token + R"("},"more":true,"x.y":{"a":"b"}})"));
    CHECK_FALSE(is_plain(kHead + token + R"("}},{"a":{"b":""}})"));
    CHECK_FALSE(is_plain(kHead + "\\u0041\"}}"));
    CHECK_FALSE(is_plain(kHead + "a\nb\"}}"));
    CHECK_FALSE(is_plain(kHead + "\xC3\xA9\"}}"));
    CHECK_FALSE(is_plain(kHead + "\xFF\"}}"));
    CHECK_FALSE(is_plain(kHead + std::string(1'000, 'x') + "\"}}"));
    CHECK_FALSE(is_plain(vault_call("RevokeToken", "{\"token\":\"" + token + "\"}")));
}

TEST_CASE("the answer to a plain Verify has the bytes of the general one") {
    service::Verification verification;
    require_same(verification);
    verification.active = true;
    verification.account = "user:EXAMPLE\\alice\\";
    verification.name = "ci";
    verification.id = "CANARY0001";
    verification.generation = UINT64_MAX;
    require_same(verification);
    verification.expires_at = 1'900'000'000;
    verification.scopes = {"read"};
    require_same(verification);
    verification.scopes.push_back("a:/._*-");
    require_same(verification);
}

TEST_CASE("the largest answer that there is has its place") {
    const std::string account = "unit:" + std::string(vault::kMaxUnitNameSize, '\\');
    const std::string name(vault::kMaxTokenNameSize, 'n');
    const std::string scope(vault::kMaxScopeSize, 's');
    service::Verification verification;
    verification.active = true;
    verification.account = account;
    verification.name = name;
    verification.id = "CANARY0001";
    verification.generation = UINT64_MAX;
    verification.expires_at = INT64_MAX;
    verification.scopes.assign(vault::kMaxScopes, scope);
    require_same(verification);
}

TEST_CASE("calls of all kinds in one write are answered in order, whichever way each goes") {
    Served served;
    Client client = served.connect();
    client.ask(vault_call("Status"));
    const std::string plain = kHead + std::string(FakeService::kToken) + "\"}}" + '\0';
    const std::string wrong = vault_call("Verify", R"({"token":"hwv_wrong"})") + '\0';
    const std::string spaced = vault_call("Verify", R"( {"token":"hwv_wrong"})") + '\0';
    const std::string describe = vault_call("Describe", R"({"name":"ci"})") + '\0';
    std::string calls;
    for (int i = 0; i < 50; ++i) calls += plain + wrong + spaced + describe + wrong;
    client.send(calls + plain.substr(0, 70));
    client.send(plain.substr(70));
    for (int i = 0; i < 50; ++i) {
        CHECK(client.receive_parameters().at("active").as_bool());
        CHECK_FALSE(client.receive_parameters().at("active").as_bool());
        CHECK_FALSE(client.receive_parameters().at("active").as_bool());
        CHECK(client.receive_parameters().contains("info"));
        CHECK_FALSE(client.receive_parameters().at("active").as_bool());
    }
    CHECK(client.receive_parameters().at("active").as_bool());
    CHECK(served.service.calls_of("Verify") == 201);
}

TEST_CASE("a client that does not read its verifications is asked to, and none is lost") {
    constexpr std::size_t kCalls = 20'000;
    Served served;
    Client client = served.connect();
    client.ask(vault_call("Status"));
    const std::string plain = kHead + std::string(FakeService::kToken) + "\"}}" + '\0';
    std::thread sender([&] {
        for (std::size_t i = 0; i < kCalls; ++i) client.send(plain);
    });
    // What the sockets take is some thousands of answers; then calls stay unread.
    std::size_t calls = 0;
    REQUIRE(eventually([&] { return std::exchange(calls, served.service.calls_of("Verify")) == calls && calls > 0; }));
    CHECK(calls < kCalls);
    for (std::size_t i = 0; i < kCalls; ++i) REQUIRE(client.receive_parameters().at("active").as_bool());
    sender.join();
}
