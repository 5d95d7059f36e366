// SPDX-License-Identifier: LGPL-2.1-or-later
#include "tests/doors/varlink/harness.h"

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <system_error>

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <boost/json/parse.hpp>

namespace hwvault::tests {

TempFolder::TempFolder() {
    std::string name = (std::filesystem::temp_directory_path() / "hwvault-varlink-XXXXXX").string();
    if (::mkdtemp(name.data()) == nullptr) throw std::system_error(errno, std::generic_category(), name);
    path_ = name;
}

TempFolder::~TempFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
}

Client::Client(const std::filesystem::path& socket) : socket_(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    const std::string path = socket.string();
    std::copy(path.begin(), path.end(), address.sun_path);
    if (::connect(socket_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
        throw std::system_error(errno, std::generic_category(), "connect " + path);
    }
}

void Client::send(std::string_view bytes) {
    while (!bytes.empty()) {
        const ssize_t sent = ::send(socket_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
        if (sent < 0) return;
        bytes.remove_prefix(static_cast<std::size_t>(sent));
    }
}

void Client::finish_sending() {
    ::shutdown(socket_.get(), SHUT_WR);
}

// False at the end of the connection.
bool Client::read_some() {
    pollfd wanted{socket_.get(), POLLIN, 0};
    const auto patience = std::chrono::milliseconds(kPatience).count();
    REQUIRE(::poll(&wanted, 1, static_cast<int>(patience)) == 1);
    char bytes[65'536];
    const ssize_t got = ::recv(socket_.get(), bytes, sizeof bytes, 0);
    if (got > 0) received_.append(bytes, static_cast<std::size_t>(got));
    return got > 0;
}

std::string Client::receive_text() {
    for (;;) {
        const std::size_t nul = received_.find('\0');
        if (nul != std::string::npos) {
            std::string message = received_.substr(0, nul);
            received_.erase(0, nul + 1);
            return message;
        }
        const bool more = read_some();
        REQUIRE(more);
    }
}

boost::json::object Client::receive() {
    return boost::json::parse(receive_text()).as_object();
}

boost::json::object Client::receive_parameters() {
    const boost::json::object reply = receive();
    CAPTURE(error_of(reply));
    REQUIRE(!reply.contains("error"));
    return reply.contains("parameters") ? reply.at("parameters").as_object() : boost::json::object();
}

bool Client::is_closed_by_peer() {
    return received_.empty() && !read_some();
}

std::string vault_call(std::string_view verb, std::string_view parameters, std::string_view flags) {
    return std::string(R"({"method":"org.hwvault.Vault.)")
        .append(verb)
        .append(R"(","parameters":)")
        .append(parameters)
        .append(flags)
        .append("}");
}

std::string error_of(const boost::json::object& reply) {
    return reply.contains("error") ? text_at(reply, "error") : std::string();
}

std::string text_at(const boost::json::object& object, std::string_view key) {
    return std::string(std::string_view(object.at(key).as_string()));
}

}  // namespace hwvault::tests
