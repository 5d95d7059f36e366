// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The thread that reads the bus. sdbus-c++'s own loop would end the process when the bus goes away, and would not
// notice that another thread has left a long reply half sent; this one minds both.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <thread>

#include "daemon/doors/dbus/sdbus_version.h"
#include "foundation/result.h"
#include "os/fd.h"

namespace hwvault::doors::dbus {

// Ends a poll(2) from another thread. Thread-safe.
class Waker {
public:
    Waker();  // throws sdbus::Error when the system has no descriptor to give
    void wake() const;
    void clear() const;
    [[nodiscard]] int descriptor() const { return event_.get(); }

private:
    os::Fd event_;
};

class Loop {
public:
    // Starts the thread. `lost` is called on it, with the cause, when the bus cannot be read any more. Both
    // references must outlive this.
    Loop(sdbus::IConnection& connection, const Waker& waker, std::function<void(std::string)> lost);
    ~Loop();  // ends the thread; not to be called on it
    Loop(const Loop&) = delete;
    Loop& operator=(const Loop&) = delete;

private:
    void run();
    void serve_until_stopped();

    sdbus::IConnection& connection_;
    const Waker& waker_;
    std::function<void(std::string)> lost_;
    std::atomic<bool> stopping_{false};
    std::thread thread_;
};

}  // namespace hwvault::doors::dbus
