// SPDX-License-Identifier: LGPL-2.1-or-later
#include "daemon/main_manager.h"

#include <cstdint>
#include <cstdlib>
#include <ctime>
#include <memory>
#include <utility>

#include <systemd/sd-daemon.h>

#include "foundation/one_line.h"
#include "os/asio.h"

namespace hwvault {
namespace {

template <class T>
using FromLibsystemd = std::unique_ptr<T, void (*)(void*)>;

std::vector<ServiceManager::Descriptor> inherited() {
    std::vector<ServiceManager::Descriptor> all;
    char** texts = nullptr;
    const int count = ::sd_listen_fds_with_names(1, &texts);
    const FromLibsystemd<char*> names(texts, &std::free);
    for (int i = 0; i < count; ++i) {
        const FromLibsystemd<char> name(texts[i], &std::free);
        all.push_back({name.get(), os::Fd(SD_LISTEN_FDS_START + i)});
    }
    return all;
}

std::chrono::microseconds watchdog_time() {
    std::uint64_t microseconds = 0;
    return std::chrono::microseconds(::sd_watchdog_enabled(0, &microseconds) > 0 ? microseconds : 0);
}

}  // namespace

ServiceManager::ServiceManager(const boost::asio::any_io_executor& strand)
    : handed_over_(inherited()), watchdog_(watchdog_time()), pause_(strand) {}

std::vector<ServiceManager::Descriptor> ServiceManager::take(const std::function<bool(std::string_view)>& is_wanted) {
    std::vector<Descriptor> taken;
    for (Descriptor& one : handed_over_) {
        if (one.fd && is_wanted(one.name)) taken.push_back({one.name, std::move(one.fd)});
    }
    return taken;
}

int ServiceManager::take_socket(std::string_view name) {
    auto sockets = take([name](std::string_view one) { return one == name; });
    return sockets.empty() ? -1 : sockets.front().fd.release();
}

void ServiceManager::status(const std::string& line) {
    ::sd_notify(0, ("STATUS=" + one_line(line)).c_str());  // a second line would be a field of its own
}

void ServiceManager::ready() {
    ::sd_notify(0, "READY=1");
}

// With the time, by which systemd tells this reload from one before (Type=notify-reload).
void ServiceManager::reloading() {
    timespec now{};
    ::clock_gettime(CLOCK_MONOTONIC, &now);
    const std::uint64_t microseconds = static_cast<std::uint64_t>(now.tv_sec) * 1'000'000 + static_cast<std::uint64_t>(now.tv_nsec) / 1'000;
    ::sd_notify(0, ("RELOADING=1\nMONOTONIC_USEC=" + std::to_string(microseconds)).c_str());
}

void ServiceManager::stopping() {
    ::sd_notify(0, "STOPPING=1");
}

boost::asio::awaitable<void> ServiceManager::feed() {
    if (watchdog_.count() == 0) co_return;
    for (boost::system::error_code stopped; !stopped;) {
        ::sd_notify(0, "WATCHDOG=1");
        pause_.expires_after(watchdog_ / 3);
        std::tie(stopped) = co_await pause_.async_wait(os::kAsTuple);
    }
}

}  // namespace hwvault
