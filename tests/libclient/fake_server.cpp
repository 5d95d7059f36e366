// SPDX-License-Identifier: LGPL-2.1-or-later
#include "tests/libclient/fake_server.h"

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <stdexcept>

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "os/passing.h"

namespace hwvault::libclient::test {
namespace {

std::string new_folder() {
    std::string name = std::filesystem::temp_directory_path() / "hwvault-client-XXXXXX";
    if (::mkdtemp(name.data()) == nullptr) throw std::runtime_error("mkdtemp");
    return name;
}

os::Fd listen_at(const std::string& address) {
    sockaddr_un name{};
    name.sun_family = AF_UNIX;
    std::copy(address.begin(), address.end(), name.sun_path);
    os::Fd listener{::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    if (::bind(listener.get(), reinterpret_cast<const sockaddr*>(&name), sizeof name) != 0 ||
        ::listen(listener.get(), 64) != 0) {
        throw std::runtime_error("no listener at " + address);
    }
    return listener;
}

}  // namespace

std::string FakePeer::read() {
    for (;;) {
        if (const auto end = unread_.find('\0'); end != std::string::npos) {
            std::string message = unread_.substr(0, end);
            unread_.erase(0, end + 1);
            const std::lock_guard lock(server_.mutex_);
            server_.requests_.push_back(message);
            return message;
        }
        char chunk[65'536];
        const ssize_t got = ::recv(socket_.get(), chunk, sizeof chunk, 0);
        if (got <= 0) return {};
        unread_.append(chunk, static_cast<std::size_t>(got));
    }
}

void FakePeer::send_raw(std::string_view bytes) {
    while (!bytes.empty()) {
        const ssize_t sent = ::send(socket_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
        if (sent <= 0) return;
        bytes.remove_prefix(static_cast<std::size_t>(sent));
    }
}

void FakePeer::reply(std::string_view message) {
    send_raw(std::string(message) + '\0');
}

void FakePeer::reply_with(std::string_view message, std::vector<os::Fd> descriptors) {
    const std::string whole = std::string(message) + '\0';
    os::send_with(socket_.get(), bytes_of(whole), descriptors);
}

void FakePeer::answer_all(std::string_view message) {
    while (!read().empty()) reply(message);
}

FakeServer::FakeServer(std::vector<Script> scripts)
    : folder_(new_folder()),
      address_(folder_ + "/vault"),
      listener_(listen_at(address_)),
      stop_(::eventfd(0, EFD_CLOEXEC)),
      scripts_(std::move(scripts)),
      acceptor_([this] { serve(); }) {}

// The test's client must be gone by then, or its scripts must end by themselves.
FakeServer::~FakeServer() {
    ::eventfd_write(stop_.get(), 1);
    acceptor_.join();
    peers_.clear();
    std::filesystem::remove_all(folder_);
}

void FakeServer::serve() {
    for (;;) {
        pollfd waiting[] = {{listener_.get(), POLLIN, 0}, {stop_.get(), POLLIN, 0}};
        ::poll(waiting, 2, -1);
        if (waiting[1].revents != 0) return;
        os::Fd socket{::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC)};
        const std::lock_guard lock(mutex_);
        if (accepted_++ >= scripts_.size()) continue;
        peers_.emplace_back([script = scripts_[accepted_ - 1], peer = FakePeer(*this, std::move(socket))]() mutable {
            script(peer);
        });
    }
}

std::vector<std::string> FakeServer::requests() {
    const std::lock_guard lock(mutex_);
    return requests_;
}

std::size_t FakeServer::connections() {
    const std::lock_guard lock(mutex_);
    return accepted_;
}

}  // namespace hwvault::libclient::test
