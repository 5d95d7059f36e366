// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Client against a vault that loses connections, answers late, or answers nonsense.
#include "libclient/client.h"

#include <atomic>
#include <future>
#include <memory>
#include <string>
#include <thread>

#include <sys/wait.h>

#include "tests/catch.h"
#include "tests/libclient/fake_server.h"

namespace hwvault::libclient::test {
namespace {

std::string info_text(std::string_view name, int generation, std::string_view more = "") {
    return R"({"account":"user:ada","name":")" + std::string(name) + R"(","id":"0123456789","generation":)" +
           std::to_string(generation) + R"(,"scopes":["read"])" + std::string(more) + "}";
}

std::string info_reply(std::string_view name, int generation, std::string_view more = "") {
    return R"({"parameters":{"info":)" + info_text(name, generation, more) + "}}";
}

std::string error_reply(std::string_view word, std::string_view message = "It said no.") {
    return R"({"error":"org.hwvault.Vault.)" + std::string(word) + R"(","parameters":{"message":")" +
           std::string(message) + R"("}})";
}

FakeServer::Script answering(std::vector<std::string> replies) {
    return [replies = std::move(replies)](FakePeer& peer) {
        for (const std::string& reply : replies) {
            if (peer.read().empty()) return;
            peer.reply(reply);
        }
        peer.read();
    };
}

// Answers all but the last request, and closes when it has read that.
FakeServer::Script losing(std::vector<std::string> replies) {
    return [replies = std::move(replies)](FakePeer& peer) {
        for (const std::string& reply : replies) {
            peer.read();
            peer.reply(reply);
        }
        peer.read();
    };
}

bool has(const std::string& text, std::string_view part) {
    return text.find(part) != std::string::npos;
}

BytesView token() {
    return bytes_of("hwv_0123456789");
}

}  // namespace

TEST_CASE("a retrieved secret comes with what is known of it") {
    FakeServer server({answering({R"({"parameters":{"token":"hwv_x","info":)" + info_text("db", 3) + "}}"})});
    Client client(server.address());
    const auto retrieved = client.retrieve({"user:ada", "db"});
    REQUIRE(retrieved.has_value());
    CHECK(text_of(retrieved->secret.reveal()) == "hwv_x");
    CHECK(retrieved->info.generation == 3);
    CHECK(retrieved->info.scopes == std::vector<std::string>{"read"});
    CHECK(server.requests().at(0) ==
          R"({"method":"org.hwvault.Vault.Retrieve","parameters":{"account":"user:ada","name":"db"}})");
}

TEST_CASE("what is empty is left out of the request") {
    FakeServer server({answering({R"({"parameters":{"token":"x","info":)" + info_text("default", 1) + "}}"})});
    Client client(server.address());
    REQUIRE(client.retrieve({}).has_value());
    CHECK(server.requests().at(0) == R"({"method":"org.hwvault.Vault.Retrieve","parameters":{}})");
}

TEST_CASE("bytes that are not UTF-8 travel as base64, both ways") {
    FakeServer server({answering({R"({"parameters":{"token":"/wD+","base64":true,"info":)" + info_text("k", 1) + "}}",
                                  info_reply("k", 1)})});
    Client client(server.address());
    const auto retrieved = client.retrieve({"", "k"});
    REQUIRE(retrieved.has_value());
    const Bytes expected{0xff, 0x00, 0xfe};
    CHECK(std::equal(expected.begin(), expected.end(), retrieved->secret.reveal().begin()));
    CHECK(retrieved->secret.size() == 3);
    REQUIRE(client.import({"", "k"}, expected, {}).has_value());
    CHECK(has(server.requests().at(1), R"("secret":"/wD+","base64":true)"));
}

TEST_CASE("a secret of 1 MiB of control characters fits into a message") {
    FakeServer server({answering({info_reply("big", 1)})});
    Client client(server.address());
    const SecretBytes big(kMaxSecretSize);
    REQUIRE(client.import({"", "big"}, big.reveal(), {}).has_value());
    CHECK(server.requests().at(0).size() > kMaxSecretSize);
}

TEST_CASE("calls one after the other use one connection") {
    FakeServer server({[](FakePeer& peer) { peer.answer_all(info_reply("a", 1)); }});
    {
        Client client(server.address());
        for (int i = 0; i < 5; ++i) REQUIRE(client.describe({"", "a"}).has_value());
    }
    CHECK(server.connections() == 1);
}

TEST_CASE("a connection that died while it was idle is not used again") {
    FakeServer server({[](FakePeer& peer) {
                           peer.read();
                           peer.reply(info_reply("a", 1));
                       },
                       answering({info_reply("a", 2)})});
    Client client(server.address());
    REQUIRE(client.create({"", "a"}, {}).has_value());
    // Create is never repeated once it was sent, so it succeeds only if the dead connection is noticed before.
    // The server closes it a moment after its answer; whichever comes first, the second call must not be lost.
    for (int i = 0; i < 100 && server.connections() < 2; ++i) {
        const auto answer = client.describe({"", "a"});
        REQUIRE(answer.has_value());
        if (answer->generation == 2) break;
    }
    CHECK(server.connections() == 2);
}

TEST_CASE("a call that may be repeated is repeated once when its answer was lost") {
    SECTION("and succeeds") {
        FakeServer server({losing({}), answering({R"({"parameters":{}})"})});
        Client client(server.address());
        CHECK(client.revoke_token(token()).has_value());
        CHECK(server.requests().size() == 2);
    }
    SECTION("and no more than once") {
        FakeServer server({losing({}), losing({}), answering({R"({"parameters":{}})"})});
        Client client(server.address());
        const auto revoked = client.revoke_token(token());
        REQUIRE_FALSE(revoked.has_value());
        CHECK(revoked.error().code == HWVAULT_ERROR_UNREACHABLE);
        CHECK(server.requests().size() == 2);
    }
}

TEST_CASE("a change that has no number to name is not repeated, and says that its outcome is not known") {
    FakeServer server({losing({}), answering({info_reply("a", 1)})});
    Client client(server.address());
    Failure failure;
    SECTION("Create") { failure = client.create({"", "a"}, {}).error(); }
    SECTION("Import") { failure = client.import({"", "a"}, token(), {}).error(); }
    SECTION("Delete") { failure = client.erase({"", "a"}).error(); }
    CHECK(failure.code == HWVAULT_ERROR_UNREACHABLE);
    CHECK(has(failure.message, "not known"));
    CHECK(server.requests().size() == 1);
}

TEST_CASE("a revocation of `default` names the current generation, and a repeated one the same") {
    FakeServer server({losing({info_reply("default", 7)}), answering({info_reply("default", 8)})});
    Client client(server.address());
    const auto info = client.revoke({});
    REQUIRE(info.has_value());
    CHECK(info->generation == 8);
    const auto requests = server.requests();
    REQUIRE(requests.size() == 3);
    CHECK(has(requests[0], "Describe"));
    CHECK(has(requests[1], R"(Revoke","parameters":{"generation":7})"));
    CHECK(requests[2] == requests[1]);
}

TEST_CASE("a revocation of a generation that the caller names asks for that one, twice at most") {
    FakeServer server({losing({}), answering({info_reply("a", 4)})});
    Client client(server.address());
    REQUIRE(client.revoke({"", "a", 3}).has_value());
    const auto requests = server.requests();
    REQUIRE(requests.size() == 2);
    CHECK(has(requests[0], R"("generation":3)"));
    CHECK(requests[1] == requests[0]);
}

TEST_CASE("a revocation of a whole named token asks for all of it, and after a lost answer by number first") {
    const std::string present = info_reply("api", 4, R"(,"origin":"issued")");
    SECTION("nobody made a successor: what overlaps is asked for again") {
        const std::string dead = info_reply("api", 4, R"(,"revoked":true)");
        FakeServer server({losing({present}), answering({dead, dead})});
        Client client(server.address());
        REQUIRE(client.revoke({"", "api"}).has_value());
        const auto requests = server.requests();
        REQUIRE(requests.size() == 4);
        CHECK_FALSE(has(requests[1], "generation"));
        CHECK(has(requests[2], R"("generation":4)"));
        CHECK_FALSE(has(requests[3], "generation"));
    }
    SECTION("somebody made a successor: it is left alone, and the doubt is told") {
        FakeServer server({losing({present}), answering({info_reply("api", 5)})});
        Client client(server.address());
        const auto info = client.revoke({"", "api"});
        REQUIRE_FALSE(info.has_value());
        CHECK(info.error().code == HWVAULT_ERROR_UNREACHABLE);
        CHECK(has(info.error().message, "Generation 4 is dead"));
        CHECK(server.requests().size() == 3);
    }
}

TEST_CASE("who may not look can revoke, and is not repeated") {
    FakeServer server({losing({error_reply("AccessDenied")}), answering({info_reply("default", 8)})});
    Client client(server.address());
    const auto info = client.revoke({});
    REQUIRE_FALSE(info.has_value());
    CHECK(info.error().code == HWVAULT_ERROR_UNREACHABLE);
    CHECK(has(info.error().message, "not known"));
    CHECK(server.requests().size() == 2);
}

TEST_CASE("a rotation names the generation that it ends") {
    FakeServer server({losing({info_reply("api", 4)}), answering({info_reply("api", 5)})});
    Client client(server.address());
    REQUIRE(client.rotate({"", "api"}, 3'600).has_value());
    const auto requests = server.requests();
    REQUIRE(requests.size() == 3);
    CHECK(has(requests[1], R"("generation":4,"overlap_seconds":3600)"));
    CHECK(requests[2] == requests[1]);
}

TEST_CASE("the vault's error comes through with its word and its sentence") {
    for (int code = HWVAULT_ERROR_NOT_FOUND; code <= HWVAULT_ERROR_INTERNAL; ++code) {
        const std::string_view said = word(static_cast<ErrorCode>(code));
        FakeServer server({answering({error_reply(said, "Because.")})});
        Client client(server.address());
        const auto info = client.describe({});
        REQUIRE_FALSE(info.has_value());
        CHECK(info.error().code == code);
        CHECK(info.error().message == "Because.");
    }
}

TEST_CASE("a connection that gave an error is used again") {
    FakeServer server({answering({error_reply("NotFound"), info_reply("a", 1)})});
    Client client(server.address());
    CHECK_FALSE(client.describe({"", "a"}).has_value());
    CHECK(client.describe({"", "a"}).has_value());
    CHECK(server.connections() == 1);
}

TEST_CASE("a vault that says nothing costs the time limit and no more") {
    std::promise<void> all_read;
    FakeServer server({[&all_read](FakePeer& peer) {
        peer.read();
        peer.read();
        all_read.set_value();
    }});
    {
        Client client(server.address());
        client.set_timeout(std::chrono::milliseconds(80));
        const auto start = Clock::now();
        const auto info = client.create({"", "a"}, {});
        REQUIRE_FALSE(info.has_value());
        CHECK(info.error().code == HWVAULT_ERROR_TIMEOUT);
        CHECK(has(info.error().message, "not known"));
        CHECK(Clock::now() - start >= std::chrono::milliseconds(80));
    }
    REQUIRE(all_read.get_future().wait_for(std::chrono::seconds(20)) == std::future_status::ready);
    CHECK(server.requests().size() == 1);
    CHECK(server.connections() == 1);
}

TEST_CASE("an answer that comes a byte at a time is put together") {
    FakeServer server({[](FakePeer& peer) {
        peer.read();
        for (const char byte : info_reply("slow", 9)) peer.send_raw({&byte, 1});
        peer.send_raw(std::string_view("\0", 1));
        peer.read();
    }});
    Client client(server.address());
    const auto info = client.describe({"", "slow"});
    REQUIRE(info.has_value());
    CHECK(info->generation == 9);
}

TEST_CASE("an answer that cannot be read is refused, and its connection dropped") {
    const std::vector<std::string> nonsense{
        "hello",
        "[]",
        R"({"parameters":[]})",
        R"({"parameters":{}})",
        R"({"parameters":{"info":7}})",
        R"({"parameters":{"info":{}}})",
        R"({"error":7})",
        R"({"error":"org.varlink.service.MethodNotFound","parameters":{"method":"x"}})",
        R"({"error":"org.hwvault.Vault.Elsewhere"})",
        info_reply("a", -1),
        info_reply(std::string(300, 'a'), 1),
        info_reply("a\\u0000b", 1),
        info_reply("a", 1, R"(,"expires_at":"soon")"),
        info_reply("a", 1, R"(,"expires_at":18446744073709551615)"),
        info_reply("a", 1, R"(,"revoked":"yes")"),
        info_reply("a", 1, R"(,"uid":-1)"),
        info_reply("a", 1, R"(,"uid":4294967296)"),
        info_reply("a", 1, R"(,"owners":["user:ada",7])"),
        info_reply("a", 1, R"(,"owners":["user:\u0000"])"),
        info_reply("a", 1, R"(,"last_used_by":")" + std::string(300, 'a') + R"(")"),
        std::string(64, '[') + std::string(64, ']'),
    };
    for (const std::string& text : nonsense) {
        INFO(text);
        FakeServer server({answering({text, text}), answering({info_reply("a", 1)})});
        Client client(server.address());
        const auto info = client.describe({});
        REQUIRE_FALSE(info.has_value());
        CHECK(info.error().code == HWVAULT_ERROR_BAD_ANSWER);
        CHECK_FALSE(info.error().message.empty());
    }
}

TEST_CASE("a message without end is cut off at its cap") {
    FakeServer server({[](FakePeer& peer) {
        peer.read();
        const std::string chunk(1 << 16, 'x');
        for (int i = 0; i < 64; ++i) peer.send_raw(chunk);
    }});
    Client client(server.address());
    const auto info = client.describe({});
    REQUIRE_FALSE(info.has_value());
    CHECK(info.error().code == HWVAULT_ERROR_BAD_ANSWER);
}

TEST_CASE("an answer that nobody asked for spoils no later call") {
    FakeServer server({[](FakePeer& peer) {
                           peer.read();
                           peer.send_raw(info_reply("a", 1) + '\0' + info_reply("forged", 66) + '\0');
                           peer.read();
                       },
                       answering({info_reply("a", 2)})});
    Client client(server.address());
    REQUIRE(client.describe({"", "a"}).has_value());
    const auto second = client.describe({"", "a"});
    REQUIRE(second.has_value());
    CHECK(second->generation == 2);
}

TEST_CASE("where nobody listens the message names the address and what to do") {
    Client client("/nonexistent/vault");
    const auto info = client.describe({});
    REQUIRE_FALSE(info.has_value());
    CHECK(info.error().code == HWVAULT_ERROR_UNREACHABLE);
    CHECK(has(info.error().message, "/nonexistent/vault"));
    CHECK(has(info.error().message, "hwvaultd"));
}

TEST_CASE("a page may be empty and still go on, but not where it began") {
    FakeServer server({answering({R"({"parameters":{"infos":[)" + info_text("a", 1) + R"(],"next":"c1"}})",
                                  R"({"parameters":{"infos":[],"next":"c2"}})",
                                  R"({"parameters":{"infos":[],"next":"c2"}})"})});
    Client client(server.address());
    const auto first = client.list("*", "");
    REQUIRE(first.has_value());
    CHECK(first->infos.size() == 1);
    CHECK(first->next == "c1");
    const auto second = client.list("*", first->next);
    REQUIRE(second.has_value());
    CHECK(second->infos.empty());
    CHECK(second->next == "c2");
    const auto stuck = client.list("*", second->next);
    REQUIRE_FALSE(stuck.has_value());
    CHECK(stuck.error().code == HWVAULT_ERROR_BAD_ANSWER);
    CHECK(has(server.requests().at(1), R"("cursor":"c1")"));
}

TEST_CASE("a number that the wire cannot carry is refused before it is sent") {
    Client client("/nonexistent/vault");
    const auto info = client.revoke({"", "a", kMaxInteger + 1});
    REQUIRE_FALSE(info.has_value());
    CHECK(info.error().code == HWVAULT_ERROR_INVALID_ARGUMENT);
}

TEST_CASE("many threads share a client, each with the answer to its own question") {
    const auto echo = [](FakePeer& peer) {
        for (std::string request = peer.read(); !request.empty(); request = peer.read()) {
            const auto from = request.find(R"("name":")") + 8;
            peer.reply(info_reply(request.substr(from, request.find('"', from) - from), 1));
        }
    };
    FakeServer server(std::vector<FakeServer::Script>(Pool::kMaxConnections, echo));
    std::atomic<int> right{0};
    {
        Client client(server.address());
        std::vector<std::jthread> callers;
        for (int caller = 0; caller < 24; ++caller) {
            callers.emplace_back([&client, &right, caller] {
                const std::string name = "name" + std::to_string(caller);
                for (int i = 0; i < 50; ++i) {
                    const auto info = client.describe({"", name});
                    if (info && info->name == name) ++right;
                }
            });
        }
        callers.clear();
    }
    CHECK(right == 24 * 50);
    CHECK(server.connections() <= Pool::kMaxConnections);
}

TEST_CASE("a client that came over a fork refuses, so that two processes never share a connection") {
    FakeServer server({answering({info_reply("a", 1)})});
    Client client(server.address());
    REQUIRE(client.describe({"", "a"}).has_value());
    const pid_t child = ::fork();
    if (child == 0) {
        const auto info = client.describe({"", "a"});
        ::_exit(!info && info.error().code == HWVAULT_ERROR_INVALID_ARGUMENT ? 0 : 1);
    }
    int status = -1;
    REQUIRE(::waitpid(child, &status, 0) == child);
    CHECK(status == 0);
}

}  // namespace hwvault::libclient::test
