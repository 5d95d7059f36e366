// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The short way of Verify against the general one: the same calls mean the same, the same answers are the same bytes.
#include "daemon/doors/varlink/plain_verify.h"

#include "daemon/doors/varlink/call.h"
#include "daemon/doors/varlink/limits.h"
#include "daemon/doors/varlink/parameters.h"
#include "daemon/doors/varlink/translate.h"
#include "tests/doors/varlink/harness.h"
#include "tests/doors/varlink/plain_service.h"

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
    return plain_verify_at(bytes_of(std::string(message) + '\0')).has_value();
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
        for (const std::string& behind : {std::string(), std::string("{"), message + '\0'}) {
            const std::string bytes = message + '\0' + behind;
            const auto plain = plain_verify_at(bytes_of(bytes));
            REQUIRE(plain);
            CHECK(text_of(plain->token) == token_of_call(message));
            CHECK(plain->size == message.size() + 1);
        }
        for (std::size_t size = 0; size <= message.size(); ++size) CHECK_FALSE(plain_verify_at(bytes_of(message.substr(0, size))));
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
    CHECK_FALSE(is_plain(kHead + std::string("a\0b", 3) + "\"}}"));
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

namespace {

// Refuses one token.
class RefusingService final : public PlainService {
public:
    using PlainService::PlainService;
    Result<service::Verification> verify(const policy::Caller&, BytesView token) override {
        if (text_of(token) == "refused") return Error{ErrorCode::kAccessDenied, "Not this one."};
        service::Verification answer;
        answer.active = text_of(token) == "active";
        return answer;
    }
};

}  // namespace

TEST_CASE("a call of Verify that is refused has its error in its place among those that are taken together") {
    Served<RefusingService> served;
    Client client = served.connect();
    client.ask(vault_call("Status"));
    std::string calls;
    for (std::size_t i = 0; i < 2 * service::kVerifiedTogether; ++i) {
        const char* const token = i % 5 == 3 ? "refused" : i % 2 == 0 ? "active" : "other";
        calls += kHead + token + "\"}}" + '\0';
    }
    client.send(calls);
    for (std::size_t i = 0; i < 2 * service::kVerifiedTogether; ++i) {
        CAPTURE(i);
        if (i % 5 == 3) CHECK(error_of(client.receive()) == "org.hwvault.Vault.AccessDenied");
        else CHECK(client.receive_parameters().at("active").as_bool() == (i % 2 == 0));
    }
}

TEST_CASE("a client that does not read its verifications is asked to, and none is lost or out of its order") {
    constexpr std::size_t kCalls = 20'000;
    constexpr std::size_t kPlain = 60;  // of those that are answered in one go
    constexpr std::size_t kRounds = kCalls / kMaxCallsInOneGo;
    Served served;
    Client client = served.connect();
    client.ask(vault_call("Status"));
    std::string round;
    for (std::size_t i = 0; i < kPlain; ++i) round += kHead + std::string(FakeService::kToken) + "\"}}" + '\0';
    for (std::size_t i = kPlain; i < kMaxCallsInOneGo; ++i) round += vault_call("Verify", R"( {"token":"hwv_wrong"})") + '\0';
    std::thread sender([&] {
        for (std::size_t i = 0; i < kRounds; ++i) client.send(round);
    });
    // What the sockets take is some thousands of answers; then calls stay unread.
    std::size_t calls = 0;
    auto taken_at = std::chrono::steady_clock::now();
    REQUIRE(eventually([&] {
        const std::size_t now = served.service.calls_of("Verify");
        if (std::exchange(calls, now) != now) taken_at = std::chrono::steady_clock::now();
        return calls > 0 && std::chrono::steady_clock::now() - taken_at > std::chrono::milliseconds(200);
    }));
    CHECK(calls < kRounds * kMaxCallsInOneGo);
    for (std::size_t i = 0; i < kRounds * kMaxCallsInOneGo; ++i) {
        REQUIRE(client.receive_parameters().at("active").as_bool() == (i % kMaxCallsInOneGo < kPlain));
    }
    sender.join();
}

namespace {

// Sends `most` times as many calls as are answered together, each when those before were taken; ends where the door takes no
// more in that time. How many times it sent.
std::size_t send_unread(Served<>& served, Client& client, std::size_t most, std::chrono::milliseconds patience) {
    std::string calls;
    for (std::size_t i = 0; i < kMaxCallsInOneGo; ++i) calls += kHead + std::string(FakeService::kToken) + "\"}}" + '\0';
    const std::size_t before = served.service.calls_of("Verify");
    for (std::size_t sent = 1; sent <= most; ++sent) {
        client.send(calls);
        const auto end = std::chrono::steady_clock::now() + patience;
        while (served.service.calls_of("Verify") < before + sent * kMaxCallsInOneGo) {
            if (std::chrono::steady_clock::now() > end) return sent;
            std::this_thread::sleep_for(std::chrono::milliseconds(1));
        }
    }
    return most;
}

}  // namespace

TEST_CASE("verifications that the client's socket does not take come when it does") {
    Served served;
    Client probe = served.connect();
    probe.ask(vault_call("Status"));
    const std::size_t taken = send_unread(served, probe, 1'000, std::chrono::seconds(2)) - 1;
    REQUIRE((taken > 0 && taken < 999));
    // The answers to the last of these were not taken.
    SECTION("and nothing is asked behind them") {
        Client client = served.connect();
        client.ask(vault_call("Status"));
        REQUIRE(send_unread(served, client, taken, kPatience) == taken);
        for (std::size_t i = 0; i < taken * kMaxCallsInOneGo; ++i) REQUIRE(client.receive_parameters().at("active").as_bool());
    }
    SECTION("and before what is asked behind them") {
        Client client = served.connect();
        client.ask(vault_call("Status"));
        REQUIRE(send_unread(served, client, taken - 1, kPatience) == taken - 1);
        std::string last;
        for (std::size_t i = 1; i < kMaxCallsInOneGo; ++i) last += kHead + std::string(FakeService::kToken) + "\"}}" + '\0';
        const std::size_t before = served.service.calls_of("Verify");
        client.send(last + vault_call("Verify", R"( {"token":"hwv_wrong"})") + '\0');
        REQUIRE(eventually([&] { return served.service.calls_of("Verify") == before + kMaxCallsInOneGo; }));
        for (std::size_t i = 1; i < taken * kMaxCallsInOneGo; ++i) REQUIRE(client.receive_parameters().at("active").as_bool());
        CHECK_FALSE(client.receive_parameters().at("active").as_bool());
    }
}
