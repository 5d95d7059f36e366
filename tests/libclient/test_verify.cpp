// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Verify by the fastest way: in this process with the index that the vault hands over, and by asking when there is none to
// trust.
#include <algorithm>
#include <chrono>
#include <iterator>
#include <thread>
#include <vector>

#include <sys/wait.h>

#include "libclient/client.h"
#include "tests/index/harness.h"
#include "tests/libclient/fake_server.h"

namespace hwvault::libclient::test {
namespace {

using index::Token;
using index::Writer;

constexpr std::string_view kHandedOver = R"({"parameters":{"index":0,"stamps":1}})";
constexpr std::string_view kRefused = R"({"error":"org.hwvault.Vault.AccessDenied","parameters":{"message":"Not for you."}})";
constexpr std::string_view kBusy = R"({"error":"org.hwvault.Vault.Busy","parameters":{"message":"Soon."}})";
constexpr std::string_view kInactive = R"({"parameters":{"active":false}})";
constexpr std::string_view kGetIndex = R"({"method":"org.hwvault.Vault.GetVerifyIndex","parameters":{}})";

std::unique_ptr<Writer> writer_with(const Token& token) {
    auto writer = index::make_writer();
    REQUIRE(writer->put(token.entry()));
    writer->beat(index::clock_now(), index::clock_now());
    return writer;
}

std::vector<os::Fd> descriptors_of(const Writer& writer) {
    std::vector<os::Fd> descriptors;
    descriptors.push_back(index::copy_of(writer.index_descriptor()));
    descriptors.push_back(index::copy_of(writer.stamps_descriptor()));
    return descriptors;
}

// A vault that hands over the index of `writer` to who asks, and says of every token that it is not active.
FakeServer::Script vault_with(const Writer& writer) {
    return [&writer](FakePeer& peer) {
        for (std::string call = peer.read(); !call.empty(); call = peer.read()) {
            if (call == kGetIndex) peer.reply_with(kHandedOver, descriptors_of(writer));
            else peer.reply(kInactive);
        }
    };
}

// One that answers that call like this, and every Verify with "not active".
FakeServer::Script vault_that_says(std::string_view reply) {
    return [reply](FakePeer& peer) {
        for (std::string call = peer.read(); !call.empty(); call = peer.read()) peer.reply(call == kGetIndex ? reply : kInactive);
    };
}

hwvault_verification verify(Client& client, const Token& token) {
    hwvault_verification result = HWVAULT_VERIFICATION_INIT;
    CHECK(client.verify(token.text.reveal(), result).has_value());
    return result;
}

}  // namespace

TEST_CASE("With the vault's index a token is verified without asking") {
    const Token token = index::make_token("app:billing", "nightly", {"read", "write"});
    const auto writer = writer_with(token);
    FakeServer server({vault_with(*writer)});
    Client client(server.address());
    for (int i = 0; i < 3; ++i) {
        const hwvault_verification result = verify(client, token);
        CHECK(result.active == 1);
        CHECK(std::string_view(result.account) == "app:billing");
        CHECK(std::string_view(result.name) == "nightly");
        CHECK(std::string_view(result.id) == crypto::id_text(token.id));
        CHECK(result.scope_count == 2);
        CHECK(hwvault_verification_has_scope(&result, "write") == 1);
        CHECK(hwvault_verification_has_scope(&result, "delete") == 0);
    }
    CHECK(verify(client, index::make_token("app:billing", "other")).active == 0);
    writer->drop(token.key());
    CHECK(verify(client, token).active == 0);
    CHECK(server.requests() == std::vector{std::string(kGetIndex)});
}

TEST_CASE("Many are verified with one call, and each as alone") {
    const std::vector<Token> tokens = index::make_tokens(40);
    auto writer = index::make_writer();
    writer->beat(index::clock_now(), 0);
    for (std::size_t i = 0; i < tokens.size(); i += 2) REQUIRE(writer->put(tokens[i].entry()));
    FakeServer server({vault_with(*writer)});
    Client client(server.address());
    std::vector<hwvault_token> texts;
    for (const Token& token : tokens) texts.push_back({token.text.reveal().data(), token.text.size()});
    std::vector<hwvault_verification> results(tokens.size(), hwvault_verification HWVAULT_VERIFICATION_INIT);
    CHECK(client.verify_many(texts, results.data()).has_value());
    for (std::size_t i = 0; i < tokens.size(); ++i) {
        CHECK(results[i].active == (i % 2 == 0 ? 1 : 0));
        if (i % 2 == 0) CHECK(results[i].name == tokens[i].name);
    }
}

TEST_CASE("Of many that cannot be verified none is left active") {
    const std::vector<Token> tokens = index::make_tokens(20);
    auto writer = index::make_writer();
    writer->beat(index::clock_now(), 0);
    for (const Token& token : tokens) REQUIRE(writer->put(token.entry()));
    std::atomic<int> asked{0};
    FakeServer server({[&](FakePeer& peer) {
        for (std::string call = peer.read(); !call.empty(); call = peer.read()) {
            if (++asked == 1) peer.reply_with(kHandedOver, descriptors_of(*writer));
            else peer.reply(kBusy);
        }
    }});
    Client client(server.address());
    CHECK(verify(client, tokens[0]).active == 1);
    writer->give_up();
    std::vector<hwvault_token> texts;
    for (const Token& token : tokens) texts.push_back({token.text.reveal().data(), token.text.size()});
    std::vector<hwvault_verification> results(tokens.size(), hwvault_verification HWVAULT_VERIFICATION_INIT);
    CHECK_FALSE(client.verify_many(texts, results.data()).has_value());
    for (const hwvault_verification& result : results) CHECK(result.active == 0);
}

TEST_CASE("Many for whom the vault is asked have one time limit") {
    FakeServer server({[](FakePeer& peer) {
        for (std::string call = peer.read(); !call.empty(); call = peer.read()) {
            std::this_thread::sleep_for(std::chrono::milliseconds(100));
            peer.reply(call == kGetIndex ? kRefused : kInactive);
        }
    }});
    Client client(server.address());
    client.set_timeout(std::chrono::milliseconds(300));
    const std::vector<hwvault_token> texts(10, {"hwv_x", 5});
    std::vector<hwvault_verification> results(texts.size(), hwvault_verification HWVAULT_VERIFICATION_INIT);
    const auto verified = client.verify_many(texts, results.data());
    REQUIRE_FALSE(verified.has_value());
    CHECK(verified.error().code == HWVAULT_ERROR_TIMEOUT);
}

TEST_CASE("Who is refused the index asks for each token, and not for the index each time") {
    const Token token = index::make_token("user:alice", "default");
    const auto reply = GENERATE(kRefused, kBusy);
    FakeServer server({vault_that_says(reply)});
    Client client(server.address());
    const auto began = std::chrono::steady_clock::now();
    for (int i = 0; i < 5; ++i) CHECK(verify(client, token).active == 0);
    const auto took = std::chrono::steady_clock::now() - began;
    const std::vector<std::string> requests = server.requests();
    const auto for_index = std::ranges::count(requests, kGetIndex);
    CHECK(std::ssize(requests) - for_index == 5);
    CHECK(requests.front() == kGetIndex);
    const std::chrono::milliseconds pause = reply == kRefused ? LocalIndex::kAfterRefusal : LocalIndex::kAfterTrouble;
    CHECK(for_index <= 1 + took / pause);
    CHECK(server.connections() == 1);
}

TEST_CASE("When a table was given up the vault is asked for the next, and for the token if there is none") {
    const Token token = index::make_token("user:alice", "default");
    auto first = writer_with(token);
    const auto second = writer_with(token);
    std::atomic<int> asked{0};
    FakeServer server({[&](FakePeer& peer) {
        for (std::string call = peer.read(); !call.empty(); call = peer.read()) {
            if (call != kGetIndex) peer.reply(kInactive);
            else if (++asked == 2) peer.reply(kBusy);
            else peer.reply_with(kHandedOver, descriptors_of(asked == 1 ? *first : *second));
        }
    }});
    Client client(server.address());
    CHECK(verify(client, token).active == 1);
    first->give_up();
    CHECK(verify(client, token).active == 0);  // the vault's own answer: the next table is not there yet
    CHECK(asked == 2);
    std::this_thread::sleep_for(LocalIndex::kAfterTrouble);
    CHECK(verify(client, token).active == 1);
    CHECK(asked == 3);
}

TEST_CASE("An answer without the descriptors that it names, or with others, is no index") {
    const Token token = index::make_token("user:alice", "default");
    const auto writer = writer_with(token);
    const auto what = GENERATE(0, 1, 2);
    FakeServer server({[&](FakePeer& peer) {
        for (std::string call = peer.read(); !call.empty(); call = peer.read()) {
            auto descriptors = descriptors_of(*writer);
            if (call != kGetIndex) peer.reply(kInactive);
            else if (what == 0) peer.reply(kHandedOver);
            else if (what == 1) peer.reply_with(R"({"parameters":{"index":0,"stamps":0}})", std::move(descriptors));
            else peer.reply_with(R"({"parameters":{"index":1,"stamps":0}})", std::move(descriptors));
        }
    }, vault_that_says(kRefused)});
    Client client(server.address());
    CHECK(verify(client, token).active == 0);
}

TEST_CASE("A process that was forked does not verify with its parent's client, though it has the table") {
    const Token token = index::make_token("user:alice", "default");
    const auto writer = writer_with(token);
    FakeServer server({vault_with(*writer)});
    Client client(server.address());
    REQUIRE(verify(client, token).active == 1);
    const std::string text(text_of(token.text.reveal()));  // locked memory is not in the child
    const pid_t child = ::fork();
    if (child == 0) {
        hwvault_verification result = HWVAULT_VERIFICATION_INIT;
        const auto verified = client.verify(bytes_of(text), result);
        ::_exit(!verified && verified.error().code == HWVAULT_ERROR_INVALID_ARGUMENT && result.active == 0 ? 0 : 1);
    }
    int status = 0;
    ::waitpid(child, &status, 0);
    CHECK(status == 0);
    CHECK(verify(client, token).active == 1);
}

TEST_CASE("Threads that verify while tables are replaced get right answers, whichever table it is") {
    const Token token = index::make_token("user:alice", "default");
    std::vector<std::unique_ptr<Writer>> writers;
    for (int i = 0; i < 20; ++i) writers.push_back(writer_with(token));
    std::atomic<std::size_t> at{0};
    FakeServer server({16, [&](FakePeer& peer) {
        for (std::string call = peer.read(); !call.empty(); call = peer.read()) {
            if (call == kGetIndex) peer.reply_with(kHandedOver, descriptors_of(*writers[at]));
            else peer.reply(R"({"parameters":{"active":true,"info":{"account":"user:alice","name":"default","id":"0123456789","generation":1,"scopes":[]}}})");
        }
    }});
    Client client(server.address());
    std::atomic<bool> done{false};
    std::atomic<int> wrong{0};
    std::vector<std::thread> threads;
    for (int i = 0; i < 3; ++i) {
        threads.emplace_back([&] {
            while (!done) {
                hwvault_verification result = HWVAULT_VERIFICATION_INIT;
                if (!client.verify(token.text.reveal(), result) || result.active != 1) ++wrong;
            }
        });
    }
    for (; at + 1 < writers.size(); ++at) {
        std::this_thread::sleep_for(std::chrono::milliseconds(10));
        writers[at]->give_up();
    }
    done = true;
    for (std::thread& thread : threads) thread.join();
    CHECK(wrong == 0);
}

}  // namespace hwvault::libclient::test
