// SPDX-License-Identifier: LGPL-2.1-or-later
#include "os/listening_socket.h"

#include <algorithm>
#include <fstream>
#include <string>

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "tests/catch.h"
#include "tests/os/folder.h"

using namespace hwvault;
using os::ListeningSocket;
using os::TestFolder;

namespace {

unsigned mode_of(const std::filesystem::path& path) {
    struct stat status {};
    REQUIRE(::lstat(path.c_str(), &status) == 0);
    return status.st_mode & 07777U;
}

sockaddr_un address_of_socket(const std::filesystem::path& path) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    const std::string text = path.string();
    std::copy(text.begin(), text.end(), address.sun_path);
    return address;
}

bool accepts(const std::filesystem::path& path) {
    const os::Fd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const sockaddr_un address = address_of_socket(path);
    return ::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
}

// What a daemon leaves that was killed.
void leave_stale_socket(const std::filesystem::path& path) {
    const os::Fd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const sockaddr_un address = address_of_socket(path);
    REQUIRE(::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
}

}  // namespace

TEST_CASE("the socket is born with its mode, and the umask is as before") {
    const TestFolder folder;
    const auto path = folder.path() / "socket";
    const mode_t before = ::umask(027);
    for (const unsigned mode : {0666U, 0660U, 0600U}) {
        const auto socket = ListeningSocket::make(path, mode);
        REQUIRE(socket);
        CHECK(mode_of(path) == mode);
    }
    CHECK(::umask(before) == 027);
}

TEST_CASE("a socket that a dead daemon left is replaced, and ours is removed at the end") {
    const TestFolder folder;
    const auto path = folder.path() / "socket";
    leave_stale_socket(path);
    {
        const auto socket = ListeningSocket::make(path, 0600);
        REQUIRE(socket);
        CHECK(accepts(path));
    }
    CHECK_FALSE(std::filesystem::exists(path));
}

TEST_CASE("a socket that somebody listens on is left alone, and the error says so") {
    const TestFolder folder;
    const auto path = folder.path() / "socket";
    const auto first = ListeningSocket::make(path, 0600);
    REQUIRE(first);
    const auto second = ListeningSocket::make(path, 0600);
    REQUIRE(!second);
    CHECK(second.error().code == ErrorCode::kBusy);
    CHECK(second.error().message.find(path.string()) != std::string::npos);
    CHECK(accepts(path));
}

TEST_CASE("a file that is no socket is left alone") {
    const TestFolder folder;
    const auto path = folder.path() / "socket";
    std::ofstream(path) << "precious";
    const auto socket = ListeningSocket::make(path, 0600);
    REQUIRE(!socket);
    CHECK(socket.error().code == ErrorCode::kInvalidArgument);
    CHECK(std::filesystem::file_size(path) == 8);
}

TEST_CASE("a socket that another daemon put in place of ours is not removed with it") {
    const TestFolder folder;
    const auto path = folder.path() / "socket";
    {
        const auto first = ListeningSocket::make(path, 0600);
        REQUIRE(first);
        std::filesystem::remove(path);
        leave_stale_socket(path);
    }
    CHECK(std::filesystem::exists(path));
}

TEST_CASE("a path that no socket can have, or in no folder, is refused in words") {
    CHECK(ListeningSocket::make("", 0600).error().code == ErrorCode::kInvalidArgument);
    CHECK(ListeningSocket::make("/" + std::string(200, 'x'), 0600).error().code == ErrorCode::kInvalidArgument);
    const TestFolder folder;
    const auto missing = ListeningSocket::make(folder.path() / "none" / "socket", 0600);
    REQUIRE(!missing);
    CHECK(missing.error().message.find("none/socket") != std::string::npos);
}

TEST_CASE("a socket from systemd is taken over, and its file stays") {
    const TestFolder folder;
    const auto path = folder.path() / "socket";
    auto made = ListeningSocket::make(path, 0600);
    REQUIRE(made);
    {
        const auto adopted = ListeningSocket::adopt(::dup(made->fd()));
        REQUIRE(adopted);
        CHECK(accepts(path));
    }
    CHECK(std::filesystem::exists(path));
}

TEST_CASE("a descriptor that is no listening Unix socket is not taken over") {
    int ends[2];
    REQUIRE(::pipe(ends) == 0);
    CHECK(ListeningSocket::adopt(ends[0]).error().code == ErrorCode::kInvalidArgument);
    ::close(ends[1]);
    CHECK(!ListeningSocket::adopt(::socket(AF_UNIX, SOCK_STREAM, 0)));
    CHECK(!ListeningSocket::adopt(::socket(AF_INET, SOCK_STREAM, 0)));
    CHECK(!ListeningSocket::adopt(-1));
}
