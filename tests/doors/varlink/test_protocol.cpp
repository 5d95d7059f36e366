// SPDX-License-Identifier: LGPL-2.1-or-later
//
// UAPI.20 itself: framing, order, flags, and what happens to those who do not keep to it.
#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <functional>

#include <boost/json/array.hpp>

#include "daemon/doors/varlink/limits.h"
#include "libclient/wire/varlink.h"
#include "tests/doors/varlink/harness.h"

using namespace hwvault;
using namespace hwvault::tests;

namespace {

std::string verify_call(std::string_view token, std::string_view flags = "") {
    return vault_call("Verify", std::string(R"({"token":")").append(token).append("\"}"), flags);
}

// The error that `bytes` get before the connection closes.
std::string last_words(Served<>& served, std::string_view bytes) {
    Client client = served.connect();
    client.send(bytes);
    const std::string error = error_of(client.receive());
    CHECK(client.is_closed_by_peer());
    return error;
}

}  // namespace

TEST_CASE("a hundred calls in one write are answered in order") {
    Served served;
    Client client = served.connect();
    std::string calls;
    for (int i = 0; i < 100; ++i) calls += verify_call(i % 3 == 0 ? FakeService::kToken : "hwv_wrong") + '\0';
    client.send(calls);
    for (int i = 0; i < 100; ++i) CHECK(client.receive_parameters().at("active").as_bool() == (i % 3 == 0));
}

TEST_CASE("ten thousand pipelined calls are answered though the client reads only afterwards") {
    Served served;
    Client client = served.connect();
    std::string calls;
    for (int i = 0; i < 10'000; ++i) calls += verify_call("t" + std::to_string(i)) + '\0';
    std::thread sender([&] { client.send(calls); });
    for (int i = 0; i < 10'000; ++i) client.receive_text();
    sender.join();
    CHECK(served.service.calls_of("Verify") == 10'000);
}

TEST_CASE("an answer does not wait for a slow call that was pipelined behind it") {
    Served served;
    Client client = served.connect();
    client.send(verify_call(FakeService::kToken) + '\0' + vault_call("Retrieve", R"({"name":"slow"})") + '\0' +
                verify_call("hwv_wrong") + '\0');
    CHECK(client.receive_parameters().at("active").as_bool());
    REQUIRE(served.service.wait_for("Retrieve", 1));
    CHECK(served.service.calls_of("Verify") == 1);
    served.service.release();
    CHECK(text_at(client.receive_parameters(), "token") == FakeService::kToken);
    CHECK_FALSE(client.receive_parameters().at("active").as_bool());
}

TEST_CASE("a slow call holds up nobody else") {
    Served served;
    Client slow = served.connect();
    slow.call(vault_call("Retrieve", R"({"name":"slow"})"));
    REQUIRE(served.service.wait_for("Retrieve", 1));
    Client other = served.connect();
    other.call(verify_call(FakeService::kToken));
    CHECK(other.receive_parameters().at("active").as_bool());
    served.service.release();
    slow.receive_parameters();
}

TEST_CASE("a message may come byte by byte, with white space around it") {
    Served served;
    Client client = served.connect();
    for (const char byte : " \n\t" + verify_call(FakeService::kToken) + "\n " + '\0') client.send({&byte, 1});
    CHECK(client.receive_parameters().at("active").as_bool());
}

TEST_CASE("oneway gets no reply, whether it succeeds, fails, or does not exist") {
    Served served;
    Client client = served.connect();
    const std::string flag = R"(,"oneway":true)";
    client.send(vault_call("Delete", R"({"name":"a"})", flag) + '\0' + vault_call("Delete", R"({"name":"missing"})", flag) +
                '\0' + vault_call("Frobnicate", "{}", flag) + '\0' + vault_call("Watch", "{}", flag) + '\0' +
                verify_call("x", flag) + '\0' + vault_call("Status") + '\0');
    CHECK(text_at(client.receive_parameters(), "state") == "serving");
    CHECK(served.service.calls_of("Delete") == 2);
}

TEST_CASE("more on a method that answers once is answered once") {
    Served served;
    Client client = served.connect();
    const auto reply = client.ask(verify_call("x", R"(,"more":true)"));
    CHECK_FALSE(reply.contains("continues"));
    CHECK(error_of(client.ask(vault_call("Status"))).empty());
}

TEST_CASE("flags that are null or false, and vendors' extensions, change nothing") {
    Served served;
    Client client = served.connect();
    const auto reply = client.ask(
        verify_call("x", R"(,"more":false,"oneway":null,"upgrade":false,"com.example":{"a":1})"));
    CHECK(error_of(reply).empty());
}

TEST_CASE("upgrade is refused as an error, so that the connection stays what it is") {
    Served served;
    Client client = served.connect();
    CHECK(error_of(client.ask(vault_call("Status", "{}", R"(,"upgrade":true)"))) ==
          "org.varlink.service.MethodNotImplemented");
    CHECK(error_of(client.ask(vault_call("Status"))).empty());
}

TEST_CASE("what does not exist is named") {
    Served served;
    Client client = served.connect();
    const auto method = client.ask(vault_call("Frobnicate"));
    CHECK(error_of(method) == "org.varlink.service.MethodNotFound");
    CHECK(text_at(method.at("parameters").as_object(), "method") == "org.hwvault.Vault.Frobnicate");
    const auto interface = client.ask(R"({"method":"org.example.Other.Get"})");
    CHECK(error_of(interface) == "org.varlink.service.InterfaceNotFound");
    CHECK(text_at(interface.at("parameters").as_object(), "interface") == "org.example.Other");
    CHECK(error_of(client.ask(R"({"method":"Status"})")) == "org.varlink.service.InterfaceNotFound");
    CHECK(error_of(client.ask(R"({"method":"org.hwvault.Vault."})")) == "org.varlink.service.MethodNotFound");
    CHECK(error_of(client.ask(R"({"method":"org.hwvault.Vault.retrieve"})")) == "org.varlink.service.MethodNotFound");
}

TEST_CASE("a name that the caller sent comes back short and as UTF-8") {
    Served served;
    Client client = served.connect();
    std::string name;
    for (int i = 0; i < 100'000; ++i) name += "\xE2\x82\xAC";
    const auto reply = client.ask(vault_call("Status", "{\"" + name + "\":1}"));
    CHECK(error_of(reply) == "org.varlink.service.InvalidParameter");
    CHECK(text_at(reply.at("parameters").as_object(), "parameter").size() == 126);
}

TEST_CASE("a token in the place of a name does not come back") {
    Served served;
    Client client = served.connect();
    const std::string token = "hwv_0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVW";
    const auto parameter = client.ask(vault_call("Status", "{\"" + token + "\":1}"));
    CHECK(text_at(parameter.at("parameters").as_object(), "parameter") == "hwv_01234567...");
    const auto method = client.ask(R"({"method":"org.hwvault.Vault.)" + token + R"("})");
    CHECK(text_at(method.at("parameters").as_object(), "method") == "org.hwvault.Vault.hwv_01234567...");
    const auto member = client.ask("{\"" + token + "\":1}");
    CHECK(text_at(member.at("parameters").as_object(), "message") == "The call's member `hwv_01234567...` is not known.");
}

TEST_CASE("what is no call is answered in words, once, and the connection closes") {
    Served served;
    const std::string invalid = "org.hwvault.Vault.InvalidArgument";
    const std::string nul(1, '\0');
    CHECK(last_words(served, "this is not JSON" + nul) == invalid);
    CHECK(last_words(served, nul) == invalid);
    CHECK(last_words(served, "[]" + nul) == invalid);
    CHECK(last_words(served, "{}" + nul) == invalid);
    CHECK(last_words(served, R"({"method":17})" + nul) == invalid);
    CHECK(last_words(served, R"({"method":"org.hwvault.Vault.Status","parameters":[]})" + nul) == invalid);
    CHECK(last_words(served, R"({"method":"org.hwvault.Vault.Status","more":1})" + nul) == invalid);
    CHECK(last_words(served, R"({"method":"org.hwvault.Vault.Status","flags":1})" + nul) == invalid);
    CHECK(last_words(served, R"({"method":"org.hwvault.Vault.Status","more":true,"oneway":true})" + nul) == invalid);
    CHECK(last_words(served, R"({"method":"org.hwvault.Vault.Status","method":"a.B"})" + nul) == invalid);
    CHECK(last_words(served, vault_call("Delete", R"({"name":"a","name":"b"})") + nul) == invalid);
    CHECK(last_words(served, "{\"method\":\"\xFF\"}" + nul) == invalid);
    CHECK(last_words(served, "{\"a\":" + std::string(100'000, '[') + nul) == invalid);
    CHECK(last_words(served, "{\"method\":\"a.B\",\"parameters\":{\"x\":[0" + [] {
              std::string zeros;
              for (int i = 0; i < 1'000; ++i) zeros += ",0";
              return zeros;
          }() + "]}}" + nul) == invalid);
    CHECK(served.service.recorded().empty());
}

TEST_CASE("calls before a malformed one are answered, and none after it") {
    Served served;
    Client client = served.connect();
    client.send(verify_call("x") + '\0' + "rubbish" + '\0' + vault_call("Delete") + '\0');
    CHECK_FALSE(client.receive_parameters().at("active").as_bool());
    CHECK(error_of(client.receive()) == "org.hwvault.Vault.InvalidArgument");
    CHECK(client.is_closed_by_peer());
    CHECK(served.service.calls_of("Delete") == 0);
}

TEST_CASE("a message without its NUL is told so when the client stops sending") {
    Served served;
    Client client = served.connect();
    client.send(vault_call("Delete"));
    client.finish_sending();
    const auto reply = client.receive();
    CHECK(error_of(reply) == "org.hwvault.Vault.InvalidArgument");
    CHECK(text_at(reply.at("parameters").as_object(), "message").find("NUL") != std::string::npos);
    CHECK(client.is_closed_by_peer());
    CHECK(served.service.calls_of("Delete") == 0);
}

TEST_CASE("who has said all and still listens gets all answers") {
    Served served;
    Client client = served.connect();
    client.send(verify_call("x") + '\0' + vault_call("Retrieve") + '\0');
    client.finish_sending();
    CHECK(client.receive_parameters().contains("active"));
    CHECK(client.receive_parameters().contains("token"));
    CHECK(client.is_closed_by_peer());
}

TEST_CASE("a message of exactly 2 MiB is read, and one byte more is refused") {
    Served served;
    const std::string head = R"({"method":"org.hwvault.Vault.Verify","parameters":{"token":")";
    const std::string tail = R"("}})";
    const std::string filling(wire::kMaxMessageSize - head.size() - tail.size(), 'x');
    Client client = served.connect();
    client.call(head + filling + tail);
    CHECK_FALSE(client.receive_parameters().at("active").as_bool());
    CHECK(served.service.last("Verify")->secret.size() == filling.size());

    client.call(head + filling + 'x' + tail);
    CHECK(error_of(client.receive()) == "org.hwvault.Vault.InvalidArgument");
    CHECK(client.is_closed_by_peer());
    CHECK(served.service.calls_of("Verify") == 1);
}

TEST_CASE("however many oneway calls are pipelined, others have their turn in between") {
    constexpr int kCalls = 5'000;
    Served served;
    // After each turn of the session's, the strand has this one: how many calls came since the last?
    std::atomic<bool> counting{true};
    std::size_t before = 0;
    std::size_t most = 0;
    std::function<void()> count = [&] {
        const std::size_t calls = served.service.calls_of("Verify");
        most = std::max(most, calls - before);
        before = calls;
        if (counting) boost::asio::post(served.service.executor(), count);
    };
    boost::asio::post(served.service.executor(), count);
    Client client = served.connect();
    // A large call first: its buffer stays, and takes in thousands of small ones at once.
    const std::string flag = R"(,"oneway":true)";
    std::string calls = verify_call(std::string(1'200'000, 'x'), flag) + '\0';
    for (int i = 0; i < kCalls; ++i) calls += verify_call("x", flag) + '\0';
    client.send(calls);
    client.call(vault_call("Status"));
    CHECK(text_at(client.receive_parameters(), "state") == "serving");
    counting = false;
    served.on_strand([] {});
    CHECK(served.service.calls_of("Verify") == kCalls + 1);
    CHECK(most <= doors::varlink::kMaxCallsInOneGo);
}

TEST_CASE("a client that leaves while its call is answered does no harm") {
    Served served;
    for (int i = 0; i < 20; ++i) {
        Client client = served.connect();
        client.call(vault_call("Retrieve", R"({"name":"slow"})"));
    }
    REQUIRE(served.service.wait_for("Retrieve", 20));
    served.service.release();
    CHECK(eventually([&] { return served.connections() == 0; }));
}

TEST_CASE("a few lines of Python are a client") {
    Served served;
    const char* script = std::getenv("BY_HAND");
    if (script == nullptr || std::system("command -v python3 >/dev/null 2>&1") != 0) {
        WARN("skipped: no python3, or BY_HAND does not name the script");
        return;
    }
    const std::string command = std::string("python3 ") + script + " " + served.path().string();
    CHECK(std::system(command.c_str()) == 0);
    CHECK(served.service.calls_of("Retrieve") == 1);
}
