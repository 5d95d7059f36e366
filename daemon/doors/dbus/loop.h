// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The thread that reads and writes the bus. sdbus-c++'s own loop would end the process when the bus goes away; this
// one says so and stops.
//
// sdbus-c++ has one lock, and holds it for as long as a message is handed in: a strand that then sent by itself would wait
// for the loop, and the loop, where it reads a property, for the strand. So the strand sends by itself only while the loop
// waits for the bus, which spares the loop a wake-up an answer; at all other times the loop sends.
#pragma once

#include <atomic>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "daemon/doors/dbus/sdbus_version.h"
#include "os/fd.h"

namespace hwvault::doors::dbus {

// What other threads want sent. Thread-safe.
class Outbox {
public:
    // Throws sdbus::Error when the system has no descriptor to give. The connection must outlive this.
    explicit Outbox(sdbus::IConnection& connection);

    // Has `sending` done and destroyed: here and now where the loop waits for the bus and nothing was put before, else as
    // put() does. Never waits for the loop. It must not throw.
    void send(std::function<void()> sending);
    // From now on send() is put(): the loop is woken by every answer.
    void leave_all_to_loop() { all_to_loop_ = true; }
    // Has `sending` done by the loop; at once, here, when there is no loop any more. It must not throw.
    void put(std::function<void()> sending);
    // Of the loop: does what was put.
    void send_all();
    // Of the loop: to be held whenever it uses the connection, and not while it waits.
    [[nodiscard]] std::unique_lock<std::mutex> at_bus() { return std::unique_lock(at_bus_); }
    // The loop has ended, or is about to: does what was put, and what comes later where it comes from.
    void close();

    // To be polled for POLLIN; send_all() clears it.
    [[nodiscard]] int descriptor() const { return event_.get(); }
    void wake() const;

private:
    [[nodiscard]] bool must_wait();
    [[nodiscard]] bool is_unsent_left() const;

    sdbus::IConnection& connection_;
    std::mutex at_bus_;
    std::atomic<bool> all_to_loop_{false};
    std::mutex mutex_;
    std::vector<std::function<void()>> waiting_;
    bool closed_{false};
    os::Fd event_;
};

class Loop {
public:
    // Called on its thread.
    struct Events {
        std::function<void()> idle;             // nothing is left to take in, to do or to send, for now
        std::function<void(std::string)> lost;  // the bus cannot be read any more, with the cause
    };

    // Starts the thread. Both references must outlive this.
    Loop(sdbus::IConnection& connection, Outbox& outbox, Events events);
    ~Loop();  // ends the thread; not to be called on it
    Loop(const Loop&) = delete;
    Loop& operator=(const Loop&) = delete;

private:
    void run();
    void serve_until_stopped();

    sdbus::IConnection& connection_;
    Outbox& outbox_;
    Events events_;
    std::atomic<bool> stopping_{false};
    std::thread thread_;
};

}  // namespace hwvault::doors::dbus
