// SPDX-License-Identifier: LGPL-2.1-or-later
//
// A vault that does exactly what a test says: one script for each connection, in the order in which they come. It
// keeps what it was sent. Connections beyond the last script are closed at once.
#pragma once

#include <functional>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "os/fd.h"

namespace hwvault::libclient::test {

class FakeServer;

// The server's end of one connection, for its script.
class FakePeer {
public:
    FakePeer(FakeServer& server, os::Fd socket) : server_(server), socket_(std::move(socket)) {}

    // The next message without its NUL, "" when the client is gone. It is kept in FakeServer::requests().
    std::string read();
    void reply(std::string_view message);  // adds the NUL
    void reply_with(std::string_view message, std::vector<os::Fd> descriptors);
    void send_raw(std::string_view bytes);
    // Reads a message and answers it, until the client goes.
    void answer_all(std::string_view message);

private:
    FakeServer& server_;
    os::Fd socket_;
    std::string unread_;
};

class FakeServer {
public:
    using Script = std::function<void(FakePeer&)>;
    explicit FakeServer(std::vector<Script> scripts);
    FakeServer(const FakeServer&) = delete;
    FakeServer& operator=(const FakeServer&) = delete;
    ~FakeServer();

    [[nodiscard]] const std::string& address() const { return address_; }
    [[nodiscard]] std::vector<std::string> requests();
    [[nodiscard]] std::size_t connections();

private:
    friend class FakePeer;
    void serve();

    std::string folder_;
    std::string address_;
    os::Fd listener_;
    os::Fd stop_;
    std::mutex mutex_;
    std::vector<std::string> requests_;
    std::vector<Script> scripts_;
    std::size_t accepted_{0};
    std::vector<std::jthread> peers_;
    std::jthread acceptor_;
};

}  // namespace hwvault::libclient::test
