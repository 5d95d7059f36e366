// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What the credential door's tests share: a door over the fake service, on a thread of its own, and a client that does what
// systemd does: it binds the name that says which unit and credential, sends nothing, and reads to the end.
#pragma once

#include <chrono>
#include <functional>
#include <future>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/strand.hpp>

#include "daemon/doors/credential/door.h"
#include "os/fd.h"
#include "os/listening_socket.h"
#include "tests/catch.h"
#include "tests/doors/eventually.h"
#include "tests/doors/fake_resolver.h"
#include "tests/doors/fake_service.h"
#include "tests/os/folder.h"

namespace hwvault::tests {

constexpr std::string_view kUnitName = "billing.service";

// The abstract name that systemd binds, with its zero byte.
std::string peer_name(std::string_view unit, std::string_view credential);

class SystemdClient {
public:
    // Connected, under that name; an empty name is none.
    SystemdClient(const std::filesystem::path& socket, const std::string& name);
    explicit SystemdClient(os::Fd connected) : socket_(std::move(connected)) {}

    // All that comes until the end; fails when nothing comes for kPatience.
    std::string read_to_end();
    std::string read_what_is_there();
    // False when the end, or anything else, comes within `time`.
    bool hears_nothing_for(std::chrono::milliseconds time) const;
    void close() { socket_ = os::Fd(); }

private:
    os::Fd socket_;
};

// Of more bytes than systemd takes for a credential, and with no token in them.
bool is_refusal(std::string_view answer);

// systemd's store, as far as it matters to a daemon that lives: copies, which keep a connection open.
class FakeDescriptorStore final : public doors::credential::DescriptorStore {
public:
    void keep(const std::string& name, int connection) override;
    void release(const std::string& name) override;

    std::size_t count() const;
    std::size_t most() const;  // that were here at the same time

private:
    mutable std::mutex mutex_;
    std::map<std::string, os::Fd> kept_;
    std::size_t most_{0};
};

// The socket of hwvault-notice.socket, and what came to it.
class NoticeSocket {
public:
    explicit NoticeSocket(const std::filesystem::path& path);
    // The next message; nullopt when none comes within `time`. Its connection is then closed.
    std::optional<std::string> next(std::chrono::milliseconds time = kPatience) const;

private:
    os::ListeningSocket socket_;
};

// A door that serves on a thread.
class Opened {
public:
    explicit Opened(doors::credential::Door::Options options = {});
    ~Opened();

    [[nodiscard]] SystemdClient ask(std::string_view credential = "api-token", std::string_view unit = kUnitName) const {
        return {path(), peer_name(unit, credential)};
    }
    [[nodiscard]] std::filesystem::path path() const { return folder_ / "socket"; }
    void on_strand(std::function<void()> work);

private:
    os::TestFolder folder_;
    boost::asio::io_context io_;
    boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work_{io_.get_executor()};

public:
    FakeService service;
    FakeResolver resolver;
    std::unique_ptr<doors::credential::Door> door;

private:
    std::thread thread_;
};

// Limits for tests that wait for what is refused.
doors::credential::Limits short_limits();

// Of a door at which kUnitName's `api-token` is that token.
doors::credential::Door::Options mapped_to(const std::string& name, doors::credential::Limits limits = {});

}  // namespace hwvault::tests
