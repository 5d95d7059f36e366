// SPDX-License-Identifier: LGPL-2.1-or-later
//
// A private bus of the system's type for one test, and the door on it with a service that is a fake. All of it ends
// with the object, and its files go.
#pragma once

#include <atomic>
#include <chrono>
#include <filesystem>
#include <memory>
#include <string>
#include <thread>
#include <utility>

#include <sys/types.h>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_future.hpp>

#include "daemon/doors/dbus/door.h"
#include "daemon/peer/peer.h"
#include "tests/doors/fake_service.h"

namespace hwvault::doors::dbus {

// dbus-daemon with a configuration of its own; `policy` is XML for <busconfig>.
class PrivateBus {
public:
    explicit PrivateBus(const std::string& policy = kOpenPolicy);
    ~PrivateBus();
    PrivateBus(const PrivateBus&) = delete;
    PrivateBus& operator=(const PrivateBus&) = delete;

    [[nodiscard]] const std::string& address() const { return address_; }
    [[nodiscard]] const std::filesystem::path& folder() const { return folder_; }
    void stop();
    void hang();  // it is there, and neither reads nor answers

    // Everybody may own and send anything, as Debian's system bus with hwvault's own configuration lets it.
    static constexpr const char* kOpenPolicy =
        "<policy context=\"default\"><allow user=\"*\"/><allow own=\"*\"/>"
        "<allow send_destination=\"*\"/><allow receive_sender=\"*\"/></policy>";

private:
    std::filesystem::path folder_;
    std::string address_;
    pid_t pid_{-1};
};

// The strand, on a thread of its own, with a fake service and the system's name service.
class Strand {
public:
    Strand();
    ~Strand();  // ends what is left on it

    // Runs `work` on the strand's thread and gives its result.
    template <class Work>
    auto run(Work work) {
        return boost::asio::post(io_, boost::asio::use_future(std::move(work))).get();
    }

    // Runs a coroutine on the strand to its end.
    void finish(boost::asio::awaitable<void> coroutine) {
        boost::asio::co_spawn(io_, std::move(coroutine), boost::asio::use_future).get();
    }

    // True once nothing is left on the strand, within thirty seconds; it cannot be used afterwards.
    bool drains();

    tests::FakeService& service() { return service_; }
    peer::Resolver& resolver() { return *resolver_; }

private:
    boost::asio::io_context io_;
    boost::asio::executor_work_guard<boost::asio::io_context::executor_type> busy_{io_.get_executor()};
    std::unique_ptr<peer::Resolver> resolver_{peer::Resolver::create(io_.get_executor())};
    tests::FakeService service_{io_.get_executor()};
    std::atomic<bool> ended_{false};
    std::thread thread_;
};

Door::Options on_bus(const std::string& address);

// A bus, a strand and the door between them.
struct Serving {
    explicit Serving(std::chrono::milliseconds drain = std::chrono::seconds{5});

    PrivateBus bus;
    Strand strand;
    std::unique_ptr<Door> door;
    tests::FakeService& service{strand.service()};
};

}  // namespace hwvault::doors::dbus
