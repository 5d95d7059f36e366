// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What the door's tests share: a door over the fake service, on a thread of its own, and a client that speaks raw
// bytes, so that it can also say what no library would.
#pragma once

#include <chrono>
#include <filesystem>
#include <functional>
#include <future>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/strand.hpp>
#include <boost/json/object.hpp>

#include "daemon/doors/varlink/door.h"
#include "os/fd.h"
#include "tests/catch.h"
#include "tests/doors/eventually.h"
#include "tests/doors/fake_resolver.h"
#include "tests/doors/fake_service.h"

namespace hwvault::tests {

// A folder of its own, removed at the end.
class TempFolder {
public:
    TempFolder();
    TempFolder(const TempFolder&) = delete;
    TempFolder& operator=(const TempFolder&) = delete;
    ~TempFolder();
    [[nodiscard]] const std::filesystem::path& path() const { return path_; }

private:
    std::filesystem::path path_;
};

// A client of raw bytes. A REQUIRE fails when nothing comes within kPatience.
class Client {
public:
    explicit Client(const std::filesystem::path& socket);

    void send(std::string_view bytes);  // all of them, or until the other end has closed
    void call(std::string_view json) { send(std::string(json) + '\0'); }
    void finish_sending();
    void close() { socket_ = os::Fd(); }

    std::string receive_text();  // the next message without its NUL
    boost::json::object receive();
    // The next reply's parameters; fails on an error.
    boost::json::object receive_parameters();
    // True when the connection ended without another byte.
    bool is_closed_by_peer();

    boost::json::object ask(std::string_view json) {
        call(json);
        return receive();
    }
    [[nodiscard]] int fd() const { return socket_.get(); }

private:
    bool read_some();

    os::Fd socket_;
    std::string received_;
};

// A door that serves on a thread; the fake service may be used from the test's own.
template <class Service = FakeService>
class Served {
public:
    // `options` without the limits; without an inherited socket the path is path().
    explicit Served(doors::varlink::Limits limits = {}, doors::varlink::Door::Options options = {})
        : work_(io_.get_executor()), service(boost::asio::make_strand(io_)) {
        options.path = path();
        options.limits = limits;
        auto made = doors::varlink::Door::create(service, resolver, options);
        if (!made) throw std::runtime_error(made.error().message);
        door = std::move(*made);
        thread_ = std::thread([this] { io_.run(); });
    }
    ~Served() {
        on_strand([this] { door.reset(); });
        work_.reset();
        thread_.join();
    }

    [[nodiscard]] std::filesystem::path path() const { return folder_.path() / "socket"; }
    [[nodiscard]] Client connect() const { return Client(path()); }

    // Runs `work` on the door's strand and waits for it.
    void on_strand(std::function<void()> work) {
        std::promise<void> done;
        boost::asio::post(service.executor(), [&] {
            work();
            done.set_value();
        });
        done.get_future().wait();
    }
    std::size_t connections() {
        std::size_t count = 0;
        on_strand([&] { count = door->connections(); });
        return count;
    }
    std::size_t watchers() {
        std::size_t count = 0;
        on_strand([&] { count = service.watchers(); });
        return count;
    }

private:
    TempFolder folder_;
    boost::asio::io_context io_;
    boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work_;

public:
    Service service;
    FakeResolver resolver;
    std::unique_ptr<doors::varlink::Door> door;

private:
    std::thread thread_;
};

// "org.hwvault.Vault.VERB" with these parameters, as JSON.
std::string vault_call(std::string_view verb, std::string_view parameters = "{}", std::string_view flags = "");
std::string error_of(const boost::json::object& reply);
std::string text_at(const boost::json::object& object, std::string_view key);

}  // namespace hwvault::tests
