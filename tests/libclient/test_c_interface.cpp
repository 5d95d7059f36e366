// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The C interface, through the shared library as a program would have it, and the C++ header over it.
#include <hwvault/hwvault.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <type_traits>
#include <vector>

#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <hwvault/hwvault.hpp>

#include "foundation/result.h"
#include "tests/catch.h"
#include "tests/libclient/fake_server.h"

namespace hwvault::libclient::test {
namespace {

constexpr const char* kInfo =
    R"({"account":"app:shop","name":"db","id":"0123456789","origin":"issued","generation":3,"created_at":10,)"
    R"("changed_at":11,"last_used_at":12,"last_used_by":"user:ada","expires_at":13,"scopes":["read","write"],"description":"a",)"
    R"("uid":0,"owners":["group:shop","user:ada"],"revoked":true,"rollback_protected":false})";

std::string with_info(const std::string& before = "") {
    return R"({"parameters":{)" + before + R"("info":)" + kInfo + "}}";
}

FakeServer::Script always_answering(std::string reply) {
    return [reply = std::move(reply)](FakePeer& peer) { peer.answer_all(reply); };
}

class OpenClient {
public:
    explicit OpenClient(const std::string& address) { REQUIRE(hwvault_open(address.c_str(), &client_) == HWVAULT_OK); }
    OpenClient(const OpenClient&) = delete;
    OpenClient& operator=(const OpenClient&) = delete;
    ~OpenClient() { hwvault_close(client_); }
    operator hwvault_client*() const { return client_; }

private:
    hwvault_client* client_{nullptr};
};

std::string event_reply(const std::string& event, bool continues) {
    return R"({"parameters":{"event":")" + event + R"(","account":"app:shop","name":"db","generation":2},"continues":)" +
           (continues ? "true}" : "false}");
}

}  // namespace

TEST_CASE("the codes of the C interface are the contract's words") {
    for (int code = HWVAULT_ERROR_NOT_FOUND; code <= HWVAULT_ERROR_INTERNAL; ++code) {
        CHECK(std::string(hwvault_error_word(code)) == word(static_cast<ErrorCode>(code)));
    }
    CHECK(HWVAULT_ERROR_NOT_FOUND == static_cast<int>(ErrorCode::kNotFound));
    CHECK(HWVAULT_ERROR_INTERNAL == static_cast<int>(ErrorCode::kInternal));
    CHECK(std::string(hwvault_error_word(HWVAULT_ERROR_UNREACHABLE)) == "Unreachable");
    CHECK(std::string(hwvault_error_word(4'711)) == "Internal");
    CHECK(std::string(hwvault_error_word(-1)) == "Internal");
}

TEST_CASE("every part of an info can be asked for") {
    FakeServer server({always_answering(with_info())});
    const OpenClient client(server.address());
    const hwvault_target target{"app:shop", "db", 0};
    hwvault_info* info = nullptr;
    REQUIRE(hwvault_describe(client, &target, &info) == HWVAULT_OK);
    CHECK(std::string(hwvault_info_account(info)) == "app:shop");
    CHECK(std::string(hwvault_info_name(info)) == "db");
    CHECK(std::string(hwvault_info_id(info)) == "0123456789");
    CHECK(std::string(hwvault_info_origin(info)) == "issued");
    CHECK(std::string(hwvault_info_description(info)) == "a");
    CHECK(hwvault_info_generation(info) == 3);
    CHECK(hwvault_info_created_at(info) == 10);
    CHECK(hwvault_info_changed_at(info) == 11);
    CHECK(hwvault_info_last_used_at(info) == 12);
    CHECK(hwvault_info_expires_at(info) == 13);
    CHECK(hwvault_info_scope_count(info) == 2);
    CHECK(std::string(hwvault_info_scope(info, 1)) == "write");
    CHECK(hwvault_info_scope(info, 2) == nullptr);
    CHECK(std::string(hwvault_info_last_used_by(info)) == "user:ada");
    CHECK(hwvault_info_uid(info) == 0);
    CHECK(hwvault_info_owner_count(info) == 2);
    CHECK(std::string(hwvault_info_owner(info, 1)) == "user:ada");
    CHECK(hwvault_info_owner(info, 2) == nullptr);
    CHECK(hwvault_info_revoked(info) == 1);
    CHECK(hwvault_info_rollback_protected(info) == 0);
    hwvault_info_free(info);
}

TEST_CASE("what an older vault does not tell is none") {
    FakeServer server({always_answering(
        R"({"parameters":{"info":{"account":"app:shop","name":"db","id":"0123456789","generation":3,"scopes":[]}}})")});
    const OpenClient client(server.address());
    hwvault_info* info = nullptr;
    REQUIRE(hwvault_describe(client, nullptr, &info) == HWVAULT_OK);
    CHECK(std::string(hwvault_info_last_used_by(info)).empty());
    CHECK(hwvault_info_uid(info) == -1);
    CHECK(hwvault_info_owner_count(info) == 0);
    hwvault_info_free(info);
}

TEST_CASE("a secret has its bytes and its info") {
    FakeServer server({always_answering(with_info(R"("token":"hwv_x",)"))});
    const OpenClient client(server.address());
    hwvault_secret* secret = nullptr;
    REQUIRE(hwvault_retrieve(client, nullptr, &secret) == HWVAULT_OK);
    REQUIRE(hwvault_secret_size(secret) == 5);
    CHECK(std::memcmp(hwvault_secret_data(secret), "hwv_x", 5) == 0);
    CHECK(hwvault_info_generation(hwvault_secret_info(secret)) == 3);
    hwvault_secret_free(secret);
}

TEST_CASE("after fork() the child has neither the parent's secrets nor its watchers, and is told so") {
    FakeServer server({always_answering(with_info(R"("token":"hwv_x",)")), [](FakePeer& peer) {
                           peer.read();
                           peer.send_raw(event_reply("present", true) + '\0');
                           peer.read();
                       }});
    const OpenClient client(server.address());
    hwvault_secret* secret = nullptr;
    REQUIRE(hwvault_retrieve(client, nullptr, &secret) == HWVAULT_OK);
    hwvault_watcher* watcher = nullptr;
    REQUIRE(hwvault_watch(client, "*", &watcher) == HWVAULT_OK);
    hwvault_event event{};
    REQUIRE(hwvault_watcher_next(watcher, 10'000, &event) == HWVAULT_OK);  // the fake vault allocates nothing from then on
    const pid_t child = ::fork();
    if (child == 0) {
        const bool told = hwvault_secret_data(secret) == nullptr && hwvault_secret_size(secret) == 0 &&
                          hwvault_watcher_next(watcher, 0, &event) == HWVAULT_ERROR_INVALID_ARGUMENT;
        hwvault_secret_free(secret);
        ::_exit(told ? 0 : 1);
    }
    int status = -1;
    REQUIRE(::waitpid(child, &status, 0) == child);
    CHECK(status == 0);
    CHECK(hwvault_secret_size(secret) == 5);
    hwvault_watcher_free(watcher);
    hwvault_secret_free(secret);
}

TEST_CASE("a failed call leaves its output, gives its code and leaves a sentence for this thread alone") {
    FakeServer server({always_answering(R"({"error":"org.hwvault.Vault.NotFound","parameters":{"message":"Not there."}})")});
    const OpenClient client(server.address());
    hwvault_info* info = nullptr;
    CHECK(hwvault_describe(client, nullptr, &info) == HWVAULT_ERROR_NOT_FOUND);
    CHECK(info == nullptr);
    CHECK(std::string(hwvault_error_message()) == "Not there.");
    std::string elsewhere = "not asked";
    std::thread([&elsewhere] { elsewhere = hwvault_error_message(); }).join();
    CHECK(elsewhere.empty());
}

TEST_CASE("a verification is written into the caller's memory") {
    FakeServer server({always_answering(with_info(R"("active":true,)"))});
    const OpenClient client(server.address());
    hwvault_verification result = HWVAULT_VERIFICATION_INIT;
    REQUIRE(hwvault_verify(client, "hwv_x", 5, &result) == HWVAULT_OK);
    CHECK(result.active == 1);
    CHECK(std::string(result.account) == "app:shop");
    CHECK(std::string(result.name) == "db");
    CHECK(std::string(result.id) == "0123456789");
    CHECK(result.generation == 3);
    CHECK(result.expires_at == 13);
    CHECK(result.scope_count == 2);
    CHECK(hwvault_verification_has_scope(&result, "read") == 1);
    CHECK(hwvault_verification_has_scope(&result, "write") == 1);
    CHECK(hwvault_verification_has_scope(&result, "writ") == 0);
    CHECK(hwvault_verification_has_scope(&result, "") == 0);
}

TEST_CASE("a verification that failed says not active, whatever stood there before") {
    const OpenClient client("/nonexistent/vault");
    hwvault_verification result = HWVAULT_VERIFICATION_INIT;
    result.active = 1;
    result.scope_count = 1;
    CHECK(hwvault_verify(client, "hwv_x", 5, &result) == HWVAULT_ERROR_UNREACHABLE);
    CHECK(result.active == 0);
    CHECK(hwvault_verification_has_scope(&result, "") == 0);
    result.active = 1;
    CHECK(hwvault_verify(client, nullptr, 5, &result) == HWVAULT_ERROR_INVALID_ARGUMENT);
    CHECK(result.active == 0);
}

TEST_CASE("what can be no token is not active, and nobody is asked") {
    const OpenClient client("/nonexistent/vault");
    const std::string large((1 << 20) + 1, 'x');
    hwvault_verification result = HWVAULT_VERIFICATION_INIT;
    for (const std::string_view none : {std::string_view(), std::string_view(""), std::string_view(large)}) {
        result.active = 1;
        CHECK(hwvault_verify(client, none.data(), none.size(), &result) == HWVAULT_OK);
        CHECK(result.active == 0);
    }
}

TEST_CASE("of many, what can be no token is not active, and the others are verified") {
    FakeServer server({always_answering(with_info(R"("active":true,)"))});
    const OpenClient client(server.address());
    const hwvault_token tokens[] = {{"hwv_x", 5}, {"", 0}, {nullptr, 0}, {"hwv_y", 5}};
    std::vector<hwvault_verification> results(4, hwvault_verification HWVAULT_VERIFICATION_INIT);
    for (hwvault_verification& result : results) result.active = 1;
    CHECK(hwvault_verify_many(client, tokens, 4, results.data()) == HWVAULT_OK);
    CHECK(results[0].active == 1);
    CHECK(results[1].active == 0);
    CHECK(results[2].active == 0);
    CHECK(results[3].active == 1);
}

TEST_CASE("of many that were refused none is active, whatever stood there before") {
    FakeServer server({always_answering(with_info(R"("active":true,)"))});
    const OpenClient client(server.address());
    hwvault_token tokens[] = {{"hwv_x", 5}, {nullptr, 5}, {"hwv_y", 5}};
    std::vector<hwvault_verification> results(3, hwvault_verification HWVAULT_VERIFICATION_INIT);
    for (hwvault_verification& result : results) result.active = 1;
    CHECK(hwvault_verify_many(client, tokens, 3, results.data()) == HWVAULT_ERROR_INVALID_ARGUMENT);
    for (const hwvault_verification& result : results) CHECK(result.active == 0);

    tokens[1] = {"hwv_z", 5};
    for (hwvault_verification& result : results) result.active = 1;
    results[0].struct_size = 8;
    CHECK(hwvault_verify_many(client, tokens, 3, results.data()) == HWVAULT_ERROR_INVALID_ARGUMENT);
    CHECK(results[1].active == 0);
    CHECK(results[2].active == 0);
}

TEST_CASE("a verification of another library's size is refused and not written to") {
    const OpenClient client("/nonexistent/vault");
    hwvault_verification result = HWVAULT_VERIFICATION_INIT;
    result.struct_size = 8;
    result.generation = 42;
    CHECK(hwvault_verify(client, "hwv_x", 5, &result) == HWVAULT_ERROR_INVALID_ARGUMENT);
    CHECK(result.generation == 42);
}

TEST_CASE("the longest names and the most scopes of the contract fit") {
    const std::string account = "unit:" + std::string(255, 'u');
    std::string scopes;
    for (int i = 0; i < 32; ++i) scopes += (i == 0 ? "\"" : ",\"") + std::string(62, 's') + std::to_string(10 + i) + "\"";
    FakeServer server({always_answering(R"({"parameters":{"active":true,"info":{"account":")" + account + R"(","name":")" +
                                 std::string(64, 'n') + R"(","id":"0123456789","generation":1,"scopes":[)" + scopes +
                                 "]}}}")});
    const OpenClient client(server.address());
    hwvault_verification result = HWVAULT_VERIFICATION_INIT;
    REQUIRE(hwvault_verify(client, "hwv_x", 5, &result) == HWVAULT_OK);
    CHECK(result.account == account);
    CHECK(result.scope_count == 32);
    CHECK(hwvault_verification_has_scope(&result, (std::string(62, 's') + "41").c_str()) == 1);
}

TEST_CASE("arguments that cannot be meant are refused without a call") {
    hwvault_client* none = nullptr;
    CHECK(hwvault_open("", &none) == HWVAULT_ERROR_INVALID_ARGUMENT);
    CHECK(hwvault_open(std::string(108, 'x').c_str(), &none) == HWVAULT_ERROR_INVALID_ARGUMENT);
    CHECK(none == nullptr);
    const OpenClient client("/nonexistent/vault");
    CHECK(hwvault_set_timeout(client, 0) == HWVAULT_ERROR_INVALID_ARGUMENT);
    CHECK(hwvault_set_timeout(client, 3'600'001) == HWVAULT_ERROR_INVALID_ARGUMENT);
    CHECK(hwvault_set_timeout(client, 1) == HWVAULT_OK);
    CHECK(hwvault_import(client, nullptr, nullptr, nullptr) == HWVAULT_ERROR_INVALID_ARGUMENT);
    const std::string large((1 << 20) + 1, 'x');
    hwvault_options options{};
    options.secret = large.data();
    options.secret_size = large.size();
    CHECK(hwvault_import(client, nullptr, &options, nullptr) == HWVAULT_ERROR_INVALID_ARGUMENT);
    CHECK(hwvault_revoke_token(client, large.data(), 0) == HWVAULT_ERROR_INVALID_ARGUMENT);
}

TEST_CASE("nothing at all can be freed") {
    hwvault_info_free(nullptr);
    hwvault_secret_free(nullptr);
    hwvault_listing_free(nullptr);
    hwvault_report_free(nullptr);
    hwvault_watcher_free(nullptr);
    hwvault_close(nullptr);
    SUCCEED("none of them crashed");
}

TEST_CASE("the address comes from the environment where none is given") {
    FakeServer server({always_answering(with_info())});
    ::setenv("HWVAULT_ADDRESS", server.address().c_str(), 1);
    {
        hwvault::client client;
        CHECK(client.describe().generation() == 3);
    }
    ::unsetenv("HWVAULT_ADDRESS");
}

TEST_CASE("a watcher gives what has come, says when nothing has, and ends when the vault ends it") {
    FakeServer server({[](FakePeer& peer) {
        peer.read();
        peer.send_raw(event_reply("present", true) + '\0' + event_reply("created", true) + '\0');
        peer.read();
    }});
    const OpenClient client(server.address());
    hwvault_watcher* watcher = nullptr;
    REQUIRE(hwvault_watch(client, "*", &watcher) == HWVAULT_OK);
    hwvault_event event{};
    REQUIRE(hwvault_watcher_next(watcher, -1, &event) == HWVAULT_OK);
    CHECK(std::string(event.event) == "present");
    CHECK(std::string(event.account) == "app:shop");
    CHECK(event.generation == 2);
    REQUIRE(hwvault_watcher_next(watcher, 10'000, &event) == HWVAULT_OK);
    CHECK(std::string(event.event) == "created");
    CHECK(hwvault_watcher_next(watcher, 0, &event) == HWVAULT_ERROR_TIMEOUT);
    CHECK(hwvault_watcher_next(watcher, 30, &event) == HWVAULT_ERROR_TIMEOUT);
    hwvault_watcher_free(watcher);
    CHECK(server.requests().at(0) == R"({"method":"org.hwvault.Vault.Watch","parameters":{"account":"*"},"more":true})");
}

TEST_CASE("a watcher's descriptor becomes readable with the next event") {
    FakeServer server({[](FakePeer& peer) {
        peer.read();
        peer.reply(event_reply("revoked", false));
        peer.read();
    }});
    const OpenClient client(server.address());
    hwvault_watcher* watcher = nullptr;
    REQUIRE(hwvault_watch(client, nullptr, &watcher) == HWVAULT_OK);
    pollfd readable{hwvault_watcher_fd(watcher), POLLIN, 0};
    REQUIRE(::poll(&readable, 1, 10'000) == 1);
    hwvault_event event{};
    REQUIRE(hwvault_watcher_next(watcher, 0, &event) == HWVAULT_OK);
    CHECK(std::string(event.event) == "revoked");
    CHECK(hwvault_watcher_next(watcher, 0, &event) == HWVAULT_ERROR_UNREACHABLE);
    hwvault_watcher_free(watcher);
}

TEST_CASE("a watch that is refused, or answered with nonsense, ends with that") {
    struct Ending {
        const char* reply;
        int code;
    };
    for (const auto& [reply, code] :
         {Ending{R"({"error":"org.hwvault.Vault.AccessDenied","parameters":{"message":"No."}})", HWVAULT_ERROR_ACCESS_DENIED},
          Ending{R"({"error":"org.hwvault.Vault.Busy","parameters":{"message":"Slow."}})", HWVAULT_ERROR_BUSY},
          Ending{R"({"parameters":{"event":7},"continues":true})", HWVAULT_ERROR_BAD_ANSWER},
          Ending{"nonsense", HWVAULT_ERROR_BAD_ANSWER}}) {
        FakeServer server({always_answering(reply)});
        const OpenClient client(server.address());
        hwvault_watcher* watcher = nullptr;
        REQUIRE(hwvault_watch(client, "*", &watcher) == HWVAULT_OK);
        hwvault_event event{};
        CHECK(hwvault_watcher_next(watcher, 10'000, &event) == code);
        CHECK(hwvault_watcher_next(watcher, 10'000, &event) == HWVAULT_ERROR_UNREACHABLE);
        hwvault_watcher_free(watcher);
    }
}

TEST_CASE("the C++ header owns what it gets and throws what fails") {
    static_assert(!std::is_copy_constructible_v<hwvault::secret> && std::is_nothrow_move_constructible_v<hwvault::secret>);
    static_assert(!std::is_copy_constructible_v<hwvault::info> && !std::is_copy_constructible_v<hwvault::client>);
    FakeServer server({always_answering(with_info(R"("token":"hwv_x","active":true,)"))});
    hwvault::client client(server.address());
    const hwvault::secret secret = client.retrieve({"app:shop", "db"});
    CHECK(secret.text() == "hwv_x");
    CHECK(secret.bytes().size() == 5);
    CHECK(secret.info().scopes() == std::vector<std::string_view>{"read", "write"});
    const hwvault::verification verification = client.verify(secret.bytes());
    CHECK(verification.active());
    CHECK(verification.has_scope("write"));
    CHECK(verification.scopes() == std::vector<std::string_view>{"read", "write"});
    const std::vector<std::string_view> texts{"hwv_x", ""};
    const std::vector<hwvault::verification> verified = client.verify_many(texts);
    REQUIRE(verified.size() == 2);
    CHECK(verified[0].account() == "app:shop");
    CHECK_FALSE(verified[1].active());
    CHECK_FALSE(client.verify(std::string_view()).active());
    CHECK(client.describe().rollback_protected() == std::optional(false));

    hwvault::client nobody("/nonexistent/vault");
    try {
        static_cast<void>(nobody.describe());
        FAIL("it did not throw");
    } catch (const hwvault::error& error) {
        CHECK(error.code() == HWVAULT_ERROR_UNREACHABLE);
        CHECK(error.word() == "Unreachable");
        CHECK(std::string(error.what()).find("/nonexistent/vault") != std::string::npos);
    }
}

TEST_CASE("options travel whole: lists, an empty list, and none") {
    FakeServer server({always_answering(with_info())});
    hwvault::client client(server.address());
    hwvault::options options;
    options.scopes = {"read", "a-scope-that-is-longer-than-a-small-string"};
    options.owners = std::vector<std::string>{};
    options.expires_in = std::chrono::hours(1);
    options.description = "d";
    client.create({"app:shop", "db"}, options);
    client.create({"", "db"});
    const auto requests = server.requests();
    CHECK(requests.at(0).find(R"("options":{"scopes":["read","a-scope-that-is-longer-than-a-small-string"],)"
                              R"("expires_in":3600,"description":"d","owners":[]})") != std::string::npos);
    CHECK(requests.at(1).find("options") == std::string::npos);
}

TEST_CASE("a listing goes on over its pages, and a report is asked by its keys") {
    FakeServer server({[](FakePeer& peer) {
        peer.read();
        peer.reply(std::string(R"({"parameters":{"infos":[)") + kInfo + R"(],"next":"c"}})");
        peer.read();
        peer.reply(std::string(R"({"parameters":{"infos":[)") + kInfo + "]}}");
        peer.read();
        peer.reply(R"({"parameters":{"state":"serving","epoch":7}})");
        peer.read();
    }});
    hwvault::client client(server.address());
    hwvault::listing listing = client.list("*");
    int tokens = 0;
    while (const auto info = listing.next()) {
        CHECK(info->name() == "db");
        ++tokens;
    }
    CHECK(tokens == 2);
    CHECK_FALSE(listing.next().has_value());
    const hwvault::report report = client.status();
    CHECK(report.get("state") == "serving");
    CHECK(report.get("nothing").empty());
    CHECK(report.lines().size() == 2);
}

}  // namespace hwvault::libclient::test
