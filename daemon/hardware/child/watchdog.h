// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Tells systemd how the child is (sd_notify(3)): READY, STATUS, and WATCHDOG, which each piece of work feeds as it
// ends: a call on the device, an attempt to open it, and also the answer that there is none. While one of them is
// under way for longer than the watchdog's time, nothing feeds it, however busy the other threads are: the module
// hangs, and systemd restarts the child. Without NOTIFY_SOCKET all of it does nothing. Thread-safe.
#pragma once

#include <chrono>
#include <mutex>
#include <set>
#include <string_view>

namespace hwvault::hardware::child {

class Watchdog {
public:
    Watchdog();  // reads WATCHDOG_USEC and WATCHDOG_PID

    // How often the device should be given something to do when nobody else does; zero: never.
    [[nodiscard]] std::chrono::milliseconds test_interval() const { return limit_ / 3; }

    void ready() const;
    void status(std::string_view sentence) const;

    // One piece of device work: lives as long as the call does.
    class Work {
    public:
        explicit Work(Watchdog& watchdog);
        Work(const Work&) = delete;
        Work& operator=(const Work&) = delete;
        ~Work();

    private:
        Watchdog& watchdog_;
        std::multiset<std::chrono::steady_clock::time_point>::iterator begun_;
    };

private:
    std::chrono::milliseconds limit_{0};
    std::mutex mutex_;
    std::multiset<std::chrono::steady_clock::time_point> begun_;  // of the work under way
    std::chrono::steady_clock::time_point fed_;
};

}  // namespace hwvault::hardware::child
