// SPDX-License-Identifier: LGPL-2.1-or-later
//
// hwvaultd and its service manager: the sockets that it hands over (sd_listen_fds(3)), and what it is told
// (sd_notify(3)). Without one nothing is handed over, and telling does nothing.
//
// Lives on the strand, and so does the watchdog: it is fed by a turn of the strand, so a vault that is stuck is not
// fed, whatever else of the process still runs.
#pragma once

#include <chrono>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/steady_timer.hpp>

#include "os/fd.h"

namespace hwvault {

class ServiceManager {
public:
    // Takes over what was handed over. Once a process.
    explicit ServiceManager(const boost::asio::any_io_executor& strand);
    ServiceManager(const ServiceManager&) = delete;
    ServiceManager& operator=(const ServiceManager&) = delete;
    ~ServiceManager() = default;

    struct Descriptor {
        std::string name;  // FileDescriptorName=, or the FDNAME= that it was stored under
        os::Fd fd;
    };
    // Of these names; the caller's from now on.
    std::vector<Descriptor> take(const std::function<bool(std::string_view)>& is_wanted);
    // The first of this name, or -1: released to the caller.
    int take_socket(std::string_view name);

    // One line for `systemctl status`.
    static void status(const std::string& line);
    static void ready();
    // A reload begins; it ends with ready().
    static void reloading();
    static void stopping();

    // Until stop_feeding(): feeds the watchdog three times in its time, if there is one.
    boost::asio::awaitable<void> feed();
    void stop_feeding() { pause_.cancel(); }

private:
    std::vector<Descriptor> handed_over_;
    std::chrono::microseconds watchdog_{0};  // 0: none
    boost::asio::steady_timer pause_;
};

}  // namespace hwvault
