// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Who sends what the strand has to say: the strand itself while the loop waits, else the loop.
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <utility>

#include <poll.h>

#include "daemon/doors/dbus/loop.h"
#include "tests/catch.h"
#include "tests/doors/dbus/bus.h"

namespace hwvault::doors::dbus {
namespace {

// An outbox whose loop is this test: it does nothing but what is called here.
struct Waiting {
    PrivateBus bus;
    std::unique_ptr<sdbus::IConnection> connection{sdbus::createSessionBusConnectionWithAddress(bus.address())};
    Outbox outbox{*connection};
    std::string done;

    std::function<void()> adds(const char* what) {
        return [this, what] { done += what; };
    }
};

TEST_CASE("While the loop waits an answer is sent by who has it") {
    Waiting loop;
    loop.outbox.send(loop.adds("a"));
    CHECK(loop.done == "a");
}

// A message, for one, whose end would wait for the loop.
TEST_CASE("What an answer holds ends before the loop is at the bus again") {
    Waiting loop;
    std::shared_ptr<void> held(nullptr, [&](void*) {
        std::thread([&] { loop.outbox.send(loop.adds("a")); }).join();
    });
    loop.outbox.send([held = std::move(held)] {});
    CHECK(loop.done.empty());
    loop.outbox.send_all();
    CHECK(loop.done == "a");
}

TEST_CASE("While the loop is at the bus an answer is the loop's, and nobody waits for it") {
    Waiting loop;
    const auto at_bus = loop.outbox.at_bus();
    std::thread([&] { loop.outbox.send(loop.adds("a")); }).join();
    CHECK(loop.done.empty());
    loop.outbox.send_all();
    CHECK(loop.done == "a");
}

TEST_CASE("An answer does not overtake what was put before it") {
    Waiting loop;
    loop.outbox.put(loop.adds("a"));
    loop.outbox.send(loop.adds("b"));
    CHECK(loop.done.empty());
    loop.outbox.send_all();
    CHECK(loop.done == "ab");
    loop.outbox.send(loop.adds("c"));
    CHECK(loop.done == "abc");
}

TEST_CASE("The loop is woken for what the bus does not take at once") {
    Waiting loop;
    const auto object = sdbus::createObject(*loop.connection, sdbus::ObjectPath{"/a"});
    const auto is_woken = [&] {
        pollfd woken{loop.outbox.descriptor(), POLLIN, 0};
        return ::poll(&woken, 1, 0) == 1;
    };
    const auto send = [&](int megabytes) {
        for (int i = 0; i < megabytes; ++i) {
            auto signal = make_signal(*object, "a.b", "C", "a.b");
            signal << std::string(1'000'000, 's');
            object->emitSignal(signal);
        }
    };
    loop.outbox.send([&] { send(1); });
    CHECK_FALSE(is_woken());
    loop.bus.hang();
    loop.outbox.send([&] { send(20); });  // sd-bus asks for a buffer of 8 MiB, which Linux doubles
    CHECK(is_woken());
    give_up_unsent(*loop.connection);
}

TEST_CASE("Where all is left to the loop it sends each answer") {
    Waiting loop;
    loop.outbox.leave_all_to_loop();
    loop.outbox.send(loop.adds("a"));
    CHECK(loop.done.empty());
    loop.outbox.send_all();
    CHECK(loop.done == "a");
}

TEST_CASE("Once there is no loop an answer is sent by who has it") {
    Waiting loop;
    loop.outbox.leave_all_to_loop();
    loop.outbox.close();
    loop.outbox.send(loop.adds("a"));
    CHECK(loop.done == "a");
}

}  // namespace
}  // namespace hwvault::doors::dbus
