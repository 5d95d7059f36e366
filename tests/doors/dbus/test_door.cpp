// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The door itself: its name, its subscriptions, and how it closes.
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <future>
#include <map>
#include <string>
#include <vector>

#include "daemon/doors/dbus/sdbus_version.h"
#include "tests/catch.h"
#include "tests/doors/dbus/bus.h"
#include "tests/doors/dbus/clients.h"
#include "tests/doors/eventually.h"

namespace hwvault::doors::dbus {
namespace {

Result<std::unique_ptr<Door>> open_door(Strand& strand, const std::string& address) {
    return strand.run([&] { return Door::create(strand.service(), strand.resolver(), on_bus(address)); });
}

constexpr const char* kVault = "org.hwvault.Vault1";

// A call that is answered after the service's release().
std::vector<std::string> revoke_slowly(const std::string& address) {
    return {"busctl", "--address=" + address, "call", "org.hwvault.Vault1", "/org/hwvault/Vault1", "org.hwvault.Vault1",
            "Revoke", "sst", "", "slow", "0"};
}

vault::Notice notice(std::string name) {
    vault::Notice changed;
    changed.account = "user:alice";
    changed.name = std::move(name);
    changed.generation = 3;
    changed.event = "revoked";
    return changed;
}

TEST_CASE("A name that is taken is said in words") {
    Serving first;
    Strand second;
    const auto refused = open_door(second, first.bus.address());
    REQUIRE_FALSE(refused.has_value());
    CHECK(refused.error().code == ErrorCode::kAlreadyExists);
    CHECK(refused.error().message.find("Another program owns org.hwvault.Vault1") != std::string::npos);
    CHECK(second.drains());

    // Once the first has closed, the name is free.
    first.door.reset();
    Strand third;
    CHECK(open_door(third, first.bus.address()).has_value());
}

TEST_CASE("A bus that denies the name is said in words") {
    const PrivateBus bus(
        "<policy context=\"default\"><allow user=\"*\"/><deny own=\"*\"/>"
        "<allow send_destination=\"*\"/><allow receive_sender=\"*\"/></policy>");
    Strand strand;
    const auto refused = open_door(strand, bus.address());
    REQUIRE_FALSE(refused.has_value());
    CHECK(refused.error().code == ErrorCode::kAccessDenied);
    CHECK(refused.error().message.find("does not let this user own") != std::string::npos);
}

TEST_CASE("A bus that is not there is said in words") {
    Strand strand;
    const auto refused = open_door(strand, "unix:path=/nonexistent/bus");
    REQUIRE_FALSE(refused.has_value());
    CHECK(refused.error().message.find("unix:path=/nonexistent/bus cannot be reached") != std::string::npos);
}

TEST_CASE("Without an address the door goes to the system bus, wherever the environment says that is") {
    if (!have("busctl")) return;
    const PrivateBus bus;
    ::setenv("DBUS_SYSTEM_BUS_ADDRESS", bus.address().c_str(), 1);
    Strand strand;
    const auto door = open_door(strand, "");
    ::unsetenv("DBUS_SYSTEM_BUS_ADDRESS");
    REQUIRE(door.has_value());
    CHECK(busctl(bus.address(), {"Describe", "ss", "", ""}).status == 0);
}

TEST_CASE("An administrator who subscribes is sent each change, alone") {
    if (!have_python_dbus(true) || !have("dbus-monitor")) return;
    Serving serving;
    const auto& address = serving.bus.address();
    Running monitor({"dbus-monitor", "--address", address, "type=signal,member=TokenChanged"});
    REQUIRE(monitor.says("NameLost"));  // its own, which the bus takes when it makes it a monitor
    Running subscriber(python(address, {"subscribe", "2"}));
    REQUIRE(subscriber.says("subscribed"));
    CHECK(serving.service.calls_of("Watch") == 1);
    CHECK(serving.service.last("Watch")->account == "*");
    serving.service.publish(notice("first"));
    serving.service.publish(notice("second"));
    const auto told = subscriber.finish();
    CHECK(told.has("{\"changes\": [[\"user:alice\", \"first\", 3, \"revoked\"], "
                   "[\"user:alice\", \"second\", 3, \"revoked\"]]}"));
    REQUIRE(monitor.says("\"second\""));
    CHECK_FALSE(monitor.interrupt().has("destination=(null"));

    // It has left the bus, so its watch ends.
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds{30};
    std::size_t watchers = 1;
    while (watchers > 0 && std::chrono::steady_clock::now() < deadline) {
        watchers = serving.strand.run([&] { return serving.service.watchers(); });
    }
    CHECK(watchers == 0);
}

TEST_CASE("Others may not subscribe") {
    if (!have("busctl") || !have("setpriv")) return;
    Serving serving;
    const auto refused = run({"setpriv", "--reuid=1", "--regid=1", "--clear-groups", "busctl",
                              "--address=" + serving.bus.address(), "call", "org.hwvault.Vault1",
                              "/org/hwvault/Vault1", "org.hwvault.Vault1", "Subscribe"});
    CHECK(refused.status != 0);
    CHECK(refused.has("Only root and the members of hwvault-admin"));
    CHECK(serving.service.calls_of("Watch") == 0);
}

TEST_CASE("A door that closes answers what is under way and leaves nothing behind") {
    if (!have("busctl")) return;
    Serving serving;
    Running call(revoke_slowly(serving.bus.address()));
    REQUIRE(serving.service.wait_for("Revoke", 1));
    serving.strand.run([&] { serving.door.reset(); });
    CHECK(busctl(serving.bus.address(), {"Describe", "ss", "", ""}).status != 0);
    serving.service.release();
    const auto answer = call.finish();
    CHECK(answer.status == 0);
    CHECK(answer.has("\"rollback_protected\" b true"));
    CHECK(serving.strand.drains());
}

// The loop waits for the strand, to read Status, and the strand for the caller: so the calls that follow lie in the
// connection, and none has been taken in.
TEST_CASE("Calls that the bus had given the door before its end are all answered") {
    if (!have_python_dbus()) return;
    Serving serving;
    Running caller(python(serving.bus.address(), {"burst", "60"}));
    const bool sent = serving.strand.run([&] {
        const bool all = caller.says("sent");
        serving.door->stop();
        return all;
    });
    REQUIRE(sent);
    serving.strand.finish(serving.door->drained());
    serving.door.reset();
    CHECK(caller.finish().has("{\"answered\": 60, \"refusals\": []}"));
    CHECK(serving.strand.drains());
}

TEST_CASE("From stop() on the bus gives the door no call by its name") {
    if (!have("busctl")) return;
    Serving serving;
    Running slow(revoke_slowly(serving.bus.address()));
    REQUIRE(serving.service.wait_for("Revoke", 1));
    serving.strand.run([&] { serving.door->stop(); });
    const auto is_unknown = [&] {
        return busctl(serving.bus.address(), {"Describe", "ss", "", ""}).has("not provided by any .service files");
    };
    CHECK(tests::eventually(is_unknown));
    serving.service.release();
    serving.strand.finish(serving.door->drained());
    CHECK(slow.finish().has("\"rollback_protected\" b true"));
}

// From a caller who stays, so that nothing but the answer tells the loop.
TEST_CASE("The end comes with the last answer") {
    Serving serving(std::chrono::seconds{60});
    const auto connection = sdbus::createSessionBusConnectionWithAddress(serving.bus.address());
    const auto at_bus = sdbus::createProxy(*connection, ServiceName{kBusName}, sdbus::ObjectPath{kBusPath});
    const auto ask_bus = [&](const char* question, auto& answer) {
        at_bus->callMethod(question).onInterface(kBusName).withArguments(std::string(kVault)).storeResultsTo(answer);
    };
    std::string owner;
    ask_bus("GetNameOwner", owner);
    const auto vault = sdbus::createProxy(*connection, ServiceName{owner}, sdbus::ObjectPath{"/org/hwvault/Vault1"});
    vault->callMethodAsync("Revoke")
        .onInterface(kVault)
        .withArguments(std::string(), std::string("slow"), std::uint64_t{0})
        .uponReplyInvoke([](CallError, const std::map<std::string, sdbus::Variant>&) {});
    REQUIRE(serving.service.wait_for("Revoke", 1));
    serving.strand.run([&] { serving.door->stop(); });
    bool has_owner = true;
    const auto is_gone = [&] {
        ask_bus("NameHasOwner", has_owner);
        return !has_owner;
    };
    REQUIRE(tests::eventually(is_gone));
    vault->callMethod("Ping").onInterface("org.freedesktop.DBus.Peer");  // the loop has taken in what came before
    const auto released = std::chrono::steady_clock::now();
    serving.service.release();
    serving.strand.finish(serving.door->drained());
    CHECK(std::chrono::steady_clock::now() - released < std::chrono::seconds{20});
}

TEST_CASE("A call that takes too long is not waited for, and answered nevertheless") {
    if (!have("busctl")) return;
    Serving serving(std::chrono::milliseconds{50});
    Running slow(revoke_slowly(serving.bus.address()));
    REQUIRE(serving.service.wait_for("Revoke", 1));
    serving.strand.run([&] { serving.door->stop(); });
    serving.strand.finish(serving.door->drained());
    serving.door.reset();
    serving.service.release();
    CHECK(slow.finish().has("\"rollback_protected\" b true"));
    CHECK(serving.strand.drains());
}

TEST_CASE("A bus that has gone has nothing to wait for") {
    Serving serving(std::chrono::hours{1});
    serving.bus.stop();
    serving.strand.run([&] { serving.door->stop(); });
    serving.strand.finish(serving.door->drained());
    serving.door.reset();
    CHECK(serving.strand.drains());
}

// How long the end of a door takes, whose strand does nothing else meanwhile.
std::chrono::milliseconds time_to_end(Serving& serving, bool stops) {
    const auto start = std::chrono::steady_clock::now();
    if (stops) {
        serving.strand.run([&] { serving.door->stop(); });
        serving.strand.finish(serving.door->drained());
    }
    serving.strand.run([&] { serving.door.reset(); });
    CHECK(serving.strand.drains());
    return std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() - start);
}

TEST_CASE("A bus that hangs is not waited for beyond the door's time") {
    Serving serving(std::chrono::milliseconds{200});
    serving.bus.hang();
    const bool stops = GENERATE(true, false);
    INFO(stops);
    CHECK(time_to_end(serving, stops) < std::chrono::seconds{20});  // a call on the bus waits for 25
}

TEST_CASE("Nor is it when it does not take what is to be sent") {
    if (!have_python_dbus(true)) return;
    Serving serving(std::chrono::milliseconds{200});
    Running subscriber(python(serving.bus.address(), {"subscribe", "1"}));
    REQUIRE(subscriber.says("subscribed"));
    serving.bus.hang();
    // sd-bus asks for a buffer of 8 MiB, which Linux doubles.
    for (int i = 0; i < 250; ++i) serving.service.publish(notice(std::string(100'000, 'n')));
    CHECK(time_to_end(serving, true) < std::chrono::seconds{20});
}

TEST_CASE("A subscription does not outlive the door") {
    if (!have_python_dbus(true)) return;
    Serving serving;
    Running subscriber(python(serving.bus.address(), {"subscribe", "1"}));
    REQUIRE(subscriber.says("subscribed"));
    serving.door.reset();
    CHECK(serving.strand.drains());
    CHECK(serving.service.watchers() == 0);
}

TEST_CASE("A bus that goes away is told once, and the process goes on") {
    PrivateBus bus;
    Strand strand;
    std::promise<void> lost;
    Door::Options options = on_bus(bus.address());
    options.lost = [&] { lost.set_value(); };
    auto door = strand.run([&] { return Door::create(strand.service(), strand.resolver(), options); });
    REQUIRE(door.has_value());
    bus.stop();
    CHECK(lost.get_future().wait_for(std::chrono::seconds{30}) == std::future_status::ready);
    door->reset();
    CHECK(strand.drains());
}

}  // namespace
}  // namespace hwvault::doors::dbus
