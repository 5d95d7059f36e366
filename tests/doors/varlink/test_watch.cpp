// SPDX-License-Identifier: LGPL-2.1-or-later
#include <boost/json/serialize.hpp>

#include "tests/doors/varlink/harness.h"
#include "tests/doors/varlink/plain_service.h"

using namespace hwvault;
using namespace hwvault::tests;

namespace {

std::string watch_call(std::string_view account = "*") {
    return vault_call("Watch", std::string(R"({"account":")").append(account).append("\"}"), R"(,"more":true)");
}

// The next reply's event; every one of a Watch says that more will follow.
std::string next_event(Client& client) {
    const auto reply = client.receive();
    CHECK(error_of(reply).empty());
    CHECK(reply.at("continues").as_bool());
    return text_at(reply.at("parameters").as_object(), "event");
}

}  // namespace

TEST_CASE("Watch without more is refused, before anything else happens") {
    Served served;
    Client client = served.connect();
    CHECK(error_of(client.ask(vault_call("Watch"))) == "org.varlink.service.ExpectedMore");
    CHECK(served.service.recorded().empty());
}

TEST_CASE("Watch gives the present state, its end, and then changes") {
    Served served;
    Client client = served.connect();
    client.call(watch_call("many"));
    for (unsigned i = 0; i < service::kMaxPage; ++i) {
        const auto reply = client.receive();
        const auto& event = reply.at("parameters").as_object();
        CHECK(text_at(event, "event") == "present");
        CHECK(text_at(event, "name") == "t" + std::to_string(i));
        CHECK(event.at("generation").as_int64() == FakeService::kGeneration);
    }
    CHECK(next_event(client) == "state-complete");
    served.service.publish({"user:root", "pay", 8, "revoked"});
    const auto reply = client.receive();
    CHECK(boost::json::serialize(reply) ==
          R"({"continues":true,"parameters":{"event":"revoked","account":"user:root","name":"pay","generation":8}})");
}

TEST_CASE("the subscription comes before the list, so that nothing falls between") {
    Served served;
    Client client = served.connect();
    client.call(watch_call());
    CHECK(next_event(client) == "state-complete");
    const auto calls = served.service.recorded();
    REQUIRE(calls.size() == 2);
    CHECK(calls[0].verb == "Watch");
    CHECK(calls[0].account == "*");
    CHECK(calls[1].verb == "List");
    CHECK(calls[1].account == "*");
}

TEST_CASE("a watch that is not allowed ends with the error, and the connection goes on") {
    Served served;
    Client client = served.connect();
    CHECK(error_of(client.ask(watch_call("denied"))) == "org.hwvault.Vault.AccessDenied");
    CHECK(error_of(client.ask(vault_call("Status"))).empty());
}

TEST_CASE("calls that are pipelined behind a Watch are not answered while it lasts") {
    Served served;
    Client client = served.connect();
    client.send(watch_call() + '\0' + vault_call("Delete") + '\0');
    CHECK(next_event(client) == "state-complete");
    served.service.publish({"user:root", "pay", 8, "revoked"});
    CHECK(next_event(client) == "revoked");
    CHECK(served.service.calls_of("Delete") == 0);
}

TEST_CASE("a watcher that leaves is forgotten, though nothing changes any more") {
    Served served;
    Client client = served.connect();
    client.call(watch_call());
    CHECK(next_event(client) == "state-complete");
    CHECK(served.watchers() == 1);
    client.close();
    CHECK(eventually([&] { return served.watchers() == 0 && served.connections() == 0; }));
}

TEST_CASE("a watcher that has said all and still listens goes on") {
    Served served;
    Client client = served.connect();
    client.call(watch_call());
    client.finish_sending();
    CHECK(next_event(client) == "state-complete");
    served.service.publish({"user:root", "pay", 8, "created"});
    CHECK(next_event(client) == "created");
    CHECK(served.watchers() == 1);
}

TEST_CASE("a watcher that does not read is closed and forgotten, and others hear everything") {
    doors::varlink::Limits limits;
    limits.write = std::chrono::seconds(3);  // in which the other, who reads, takes what its socket holds
    Served served(limits);
    Client slow = served.connect();
    slow.call(watch_call());
    CHECK(next_event(slow) == "state-complete");
    Client other = served.connect();
    other.call(watch_call());
    CHECK(next_event(other) == "state-complete");
    const std::string long_name(200, 'n');
    constexpr int kMoreThanSocketsHold = 5'000;
    for (int i = 0; i < kMoreThanSocketsHold; ++i) served.service.publish({"user:root", long_name, 8, "rotated"});
    for (int i = 0; i < kMoreThanSocketsHold; ++i) CHECK(next_event(other) == "rotated");
    CHECK(eventually([&] { return served.watchers() == 1 && served.connections() == 1; }));
}

TEST_CASE("a watch that the service ends is told why, and the connection goes on") {
    Served<PlainService> served;
    Client client = served.connect();
    for (int i = 0; i < 3; ++i) {
        client.call(watch_call());
        CHECK(next_event(client) == "state-complete");
        CHECK(error_of(client.receive()) == "org.hwvault.Vault.Busy");
    }
    CHECK(error_of(client.ask(vault_call("Status"))).empty());
}

TEST_CASE("stop() ends a watch") {
    Served served;
    Client client = served.connect();
    client.call(watch_call());
    CHECK(next_event(client) == "state-complete");
    served.on_strand([&] { served.door->stop(); });
    CHECK(error_of(client.receive()) == "org.hwvault.Vault.Busy");
    CHECK(client.is_closed_by_peer());
}
