// SPDX-License-Identifier: LGPL-2.1-or-later
//
// A daemon that dies while it answers: what systemd keeps is refused by the next one. systemd's part is played here: its
// notification socket, to which real messages with real descriptors come.
#include <csignal>
#include <cstdlib>
#include <cstring>

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/doors/credential/harness.h"

using namespace hwvault;
using namespace hwvault::tests;
using doors::credential::Door;
using doors::credential::is_in_flight_name;
using doors::credential::Left;
using doors::credential::Place;

namespace {

struct Notification {
    std::string text;
    os::Fd descriptor;
};

// $NOTIFY_SOCKET.
class NotifySocket {
public:
    NotifySocket() : path_(folder_ / "notify"), socket_(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0)) {
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        const std::string text = path_.string();
        std::copy(text.begin(), text.end(), address.sun_path);
        REQUIRE(::bind(socket_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
    }

    [[nodiscard]] const std::filesystem::path& path() const { return path_; }

    Notification next() const {
        pollfd wanted{socket_.get(), POLLIN, 0};
        REQUIRE(::poll(&wanted, 1, static_cast<int>(std::chrono::milliseconds(kPatience).count())) == 1);
        char text[512];
        alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))];
        iovec part{text, sizeof text};
        msghdr message{};
        message.msg_iov = &part;
        message.msg_iovlen = 1;
        message.msg_control = control;
        message.msg_controllen = sizeof control;
        const ssize_t got = ::recvmsg(socket_.get(), &message, MSG_CMSG_CLOEXEC);
        REQUIRE(got > 0);
        Notification notification{std::string(text, static_cast<std::size_t>(got)), os::Fd()};
        if (const cmsghdr* const brought = CMSG_FIRSTHDR(&message); brought != nullptr && brought->cmsg_type == SCM_RIGHTS) {
            int fd = -1;
            std::memcpy(&fd, CMSG_DATA(brought), sizeof fd);
            notification.descriptor = os::Fd(fd);
        }
        return notification;
    }

private:
    os::TestFolder folder_;
    std::filesystem::path path_;
    os::Fd socket_;
};

// A daemon with a vault that never answers, in a process of its own. As under systemd its socket is there before it is.
class OtherDaemon {
public:
    OtherDaemon(const NotifySocket& systemd, const std::filesystem::path& listening)
        : socket_(os::ListeningSocket::make(listening, 0600).value()), pid_(::fork()) {
        if (pid_ != 0) return;
        try {
            serve(systemd);
        } catch (...) {
            ::_exit(1);  // or this process would go on with the tests
        }
    }
    OtherDaemon(const OtherDaemon&) = delete;
    OtherDaemon& operator=(const OtherDaemon&) = delete;
    ~OtherDaemon() { kill(); }

    void kill() {
        if (pid_ <= 0) return;
        ::kill(pid_, SIGKILL);
        ::waitpid(pid_, nullptr, 0);
        pid_ = -1;
    }

private:
    [[noreturn]] void serve(const NotifySocket& systemd) const {
        ::setenv("NOTIFY_SOCKET", systemd.path().c_str(), 1);
        Door::Options options;
        options.inherited_fd = ::dup(socket_.fd());
        options.descriptor_store = doors::credential::systemd_descriptor_store();
        options.mapping[Place{std::string(kUnitName), "slow-one"}] = {"app:billing", "slow"};
        const Opened opened(std::move(options));
        for (;;) ::pause();
    }

    os::ListeningSocket socket_;
    pid_t pid_;
};

std::string name_in(const Notification& notification) {
    constexpr std::string_view kKey = "FDNAME=";
    const auto at = notification.text.find(kKey);
    REQUIRE(at != std::string::npos);
    return notification.text.substr(at + kKey.size());
}

}  // namespace

TEST_CASE("a connection whose daemon is killed stays open, and the next daemon refuses it") {
    const os::TestFolder folder;
    const NotifySocket systemd;
    OtherDaemon first(systemd, folder / "credential");
    SystemdClient unit(folder / "credential", peer_name(kUnitName, "slow-one"));
    Notification kept = systemd.next();
    CHECK(kept.text.starts_with("FDSTORE=1\n"));
    CHECK(is_in_flight_name(name_in(kept)));
    REQUIRE(kept.descriptor);
    first.kill();
    CHECK(unit.hears_nothing_for(std::chrono::milliseconds(200)));

    const auto store = std::make_shared<FakeDescriptorStore>();
    const std::string name = name_in(kept);
    store->keep(name, kept.descriptor.get());
    Door::Options options;
    options.descriptor_store = store;
    options.left.push_back(Left{name, std::move(kept.descriptor)});
    Opened second(std::move(options));
    CHECK(is_refusal(unit.read_to_end()));
    CHECK(eventually([&] { return store->count() == 0; }));
    CHECK(second.ask().read_to_end() == FakeService::kToken);
    CHECK(second.service.calls_of("Retrieve") == 1);
}

TEST_CASE("a connection that was answered is let go of, by the name under which it was kept") {
    const os::TestFolder folder;
    const NotifySocket systemd;
    OtherDaemon daemon(systemd, folder / "credential");
    for (int i = 0; i < 2; ++i) {
        SystemdClient unit(folder / "credential", peer_name(kUnitName, "api-token"));
        const Notification kept = systemd.next();
        // The end is heard although systemd has its copy still.
        CHECK(unit.read_to_end() == FakeService::kToken);
        const Notification released = systemd.next();
        CHECK(released.text == "FDSTOREREMOVE=1\nFDNAME=" + name_in(kept));
    }
}

TEST_CASE("a connection that is kept has a name of its own, also after those that were left") {
    const auto store = std::make_shared<FakeDescriptorStore>();
    int ends[2];
    REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) == 0);
    const std::string name = doors::credential::in_flight_name(41);
    store->keep(name, ends[0]);
    Door::Options options;
    options.descriptor_store = store;
    options.limits = short_limits();
    options.limits.decision = std::chrono::seconds(10);
    options.left.push_back(Left{name, os::Fd(ends[0])});
    SystemdClient silent{os::Fd(ends[1])};
    Opened opened(std::move(options));
    CHECK(opened.ask().read_to_end() == FakeService::kToken);
    CHECK(eventually([&] { return store->count() == 1; }));  // the silent one's

    // What its peer does not take before the daemon ends is left to the descriptor store, and not ended with a part.
    opened.on_strand([&] { opened.door->stop(); });
    CHECK(eventually([&] {
        std::size_t kept = 1;
        opened.on_strand([&] { kept = opened.door->connections(); });
        return kept == 0;
    }));
    CHECK(store->count() == 1);
    const std::string part = silent.read_what_is_there();
    CHECK_FALSE(part.empty());
    CHECK(part.size() < doors::credential::kMostOfSystemd);
    CHECK(silent.hears_nothing_for(std::chrono::milliseconds(100)));
}
