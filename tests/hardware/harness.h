// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What the tests of the private socket share: a folder of their own, a loop that runs a coroutine to its end, and
// waiting with a bound.
#pragma once

#include <array>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <future>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>

#include <sys/socket.h>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/use_future.hpp>

#include "daemon/hardware/hardware.h"
#include "os/fd.h"

namespace hwvault::hardware {

using namespace std::chrono_literals;

constexpr auto kPatience = 30s;  // a loaded machine may take long; nothing waits so long when all is well

class TempFolder {
public:
    TempFolder() {
        std::string name = (std::filesystem::temp_directory_path() / "hwvault-hardware-XXXXXX").string();
        if (::mkdtemp(name.data()) == nullptr) throw std::runtime_error("mkdtemp");
        path_ = name;
    }
    TempFolder(const TempFolder&) = delete;
    TempFolder& operator=(const TempFolder&) = delete;
    ~TempFolder() {
        std::error_code ignored;
        std::filesystem::remove_all(path_, ignored);
    }
    [[nodiscard]] const std::filesystem::path& path() const { return path_; }

private:
    std::filesystem::path path_;
};

inline std::pair<os::Fd, os::Fd> socket_pair() {
    std::array<int, 2> pair{};
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair.data()) != 0) throw std::runtime_error("socketpair");
    return {os::Fd{pair[0]}, os::Fd{pair[1]}};
}

inline Deadline in(std::chrono::milliseconds time) {
    return std::chrono::steady_clock::now() + time;
}

// True when `condition` came true within kPatience.
template <class Condition>
bool wait_until(const Condition& condition) {
    for (const auto end = in(kPatience); std::chrono::steady_clock::now() < end;) {
        if (condition()) return true;
        std::this_thread::sleep_for(5ms);
    }
    return condition();
}

// The strand of a daemon.
class Loop {
public:
    [[nodiscard]] boost::asio::any_io_executor executor() { return io_.get_executor(); }

    template <class T>
    std::future<T> start(boost::asio::awaitable<T> work) {
        return boost::asio::co_spawn(io_, std::move(work), boost::asio::use_future);
    }
    void run_for(std::chrono::milliseconds time) {
        io_.restart();
        io_.run_for(time);
    }
    template <class Condition>
    bool run_until(const Condition& condition) {
        for (const auto end = in(kPatience); !condition() && std::chrono::steady_clock::now() < end;) {
            io_.restart();
            io_.run_one_for(20ms);
        }
        return condition();
    }
    template <class T>
    T finish(std::future<T> future) {
        if (!run_until([&] { return is_ready(future); })) throw std::runtime_error("the coroutine does not end");
        return future.get();
    }
    template <class T>
    T run(boost::asio::awaitable<T> work) {
        return finish(start(std::move(work)));
    }
    template <class T>
    static bool is_ready(const std::future<T>& future) {
        return future.wait_for(0s) == std::future_status::ready;
    }

private:
    boost::asio::io_context io_;
};

}  // namespace hwvault::hardware
