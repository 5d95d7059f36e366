// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Clients that pass descriptors (SCM_RIGHTS), above all such as make whoever closes them wait. Each test is run as on
// this kernel and as on one that cannot refuse them; on a kernel before Linux 6.16 both are the same.
#include "daemon/doors/varlink/passed_descriptors.h"

#include <cerrno>
#include <cstring>
#include <optional>
#include <vector>

#include <fcntl.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "os/listening_socket.h"
#include "tests/doors/varlink/harness.h"

using namespace hwvault;
using namespace hwvault::tests;
using doors::varlink::Door;
using doors::varlink::Limits;
using os::ListeningSocket;

namespace {

constexpr int kPassRights = 83;  // SO_PASSRIGHTS
const std::string kCall = vault_call("Verify", R"({"token":"hwv_wrong"})");
const std::string kInvalid = "org.hwvault.Vault.InvalidArgument";

// A TCP socket that makes whoever drops the last reference to it wait for a day: it has sent what its peer does not
// read, and lingers.
class Lingering {
public:
    Lingering() {
        const os::Fd listening(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        auto* const generic = reinterpret_cast<sockaddr*>(&address);
        socklen_t size = sizeof address;
        REQUIRE(::bind(listening.get(), generic, size) == 0);
        REQUIRE(::listen(listening.get(), 1) == 0);
        REQUIRE(::getsockname(listening.get(), generic, &size) == 0);
        socket_ = os::Fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
        REQUIRE(::connect(socket_.get(), generic, size) == 0);
        peer_ = os::Fd(::accept4(listening.get(), nullptr, nullptr, SOCK_CLOEXEC));
        REQUIRE(peer_);
        const std::string filling(65'536, 'x');
        while (::send(socket_.get(), filling.data(), filling.size(), MSG_DONTWAIT) > 0) {
        }
        int unsent = 0;
        REQUIRE(::ioctl(socket_.get(), SIOCOUTQ, &unsent) == 0);
        REQUIRE(unsent > 0);
        const linger day{1, 86'400};
        REQUIRE(::setsockopt(socket_.get(), SOL_SOCKET, SO_LINGER, &day, sizeof day) == 0);
    }

    [[nodiscard]] int fd() const { return socket_.get(); }
    // Only with other references left.
    void forget_own() { socket_ = os::Fd(); }

private:
    os::Fd socket_;
    os::Fd peer_;  // goes first, which ends all waiting
};

// One byte, white space before a call, with a descriptor. 0, or what the kernel says: see was_passed().
int try_to_pass(const Client& client, int fd, int flags) {
    char byte = ' ';
    iovec part{&byte, 1};
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof fd)]{};
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    cmsghdr* header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof fd);
    std::memcpy(CMSG_DATA(header), &fd, sizeof fd);
    return ::sendmsg(client.fd(), &message, flags | MSG_NOSIGNAL) == 1 ? 0 : errno;
}

// False when the kernel refuses it. On the test's own thread: a REQUIRE that fails on the strand ends the whole program.
bool was_passed(int failure) {
    REQUIRE((failure == 0 || failure == EPERM));
    return failure == 0;
}

bool pass(const Client& client, int fd) {
    return was_passed(try_to_pass(client, fd, 0));
}

// Passes it, and keeps no reference if that went well. Only where the door cannot drop it meanwhile: the last reference
// must not be this one.
int try_to_hand_over(const Client& client, Lingering& lingering, int flags = 0) {
    const int failure = try_to_pass(client, lingering.fd(), flags);
    if (failure == 0) lingering.forget_own();
    return failure;
}

// The same to a door that serves: it reads nothing before our own reference is gone.
bool hand_over(Served<>& served, const Client& client, Lingering& lingering, int flags = 0) {
    int failure = 0;
    served.on_strand([&] { failure = try_to_hand_over(client, lingering, flags); });
    return was_passed(failure);
}

bool kernel_can_refuse() {
    const os::Fd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const int refuse = 0;
    return ::setsockopt(socket.get(), SOL_SOCKET, kPassRights, &refuse, sizeof refuse) == 0;
}

Door::Options options(bool kernel_refuses) {
    Door::Options options;
    options.kernel_refuses_descriptors = kernel_refuses;
    return options;
}

bool is_hung_up(const Client& client) {
    pollfd state{client.fd(), 0, 0};
    return ::poll(&state, 1, 0) == 1 && (state.revents & POLLHUP) != 0;
}

bool is_answered(Client& client) {
    return error_of(client.ask(kCall)).empty();
}

}  // namespace

TEST_CASE("descriptors that a client passes are refused by the kernel, or end its connection, and are dropped") {
    const bool refuses = GENERATE(true, false);
    CAPTURE(refuses);
    Served served({}, options(refuses));
    Client client = served.connect();
    REQUIRE(is_answered(client));
    int ends[2];
    REQUIRE(::pipe2(ends, O_CLOEXEC) == 0);
    const os::Fd kept(ends[0]);
    os::Fd passed(ends[1]);
    if (pass(client, passed.get())) {
        CHECK_FALSE((refuses && kernel_can_refuse()));
        CHECK(error_of(client.receive()) == kInvalid);
        CHECK(client.is_closed_by_peer());
    } else {
        CHECK(refuses);
        CHECK(is_answered(client));
    }
    passed = os::Fd();
    // Nobody else has the pipe's other end: it reads as ended.
    pollfd end{kept.get(), POLLIN, 0};
    CHECK(::poll(&end, 1, static_cast<int>(std::chrono::milliseconds(kPatience).count())) == 1);
    CHECK((end.revents & POLLHUP) != 0);
}

TEST_CASE("a passed descriptor that makes its closer wait holds up nobody") {
    const bool refuses = GENERATE(true, false);
    const int flags = GENERATE(0, MSG_OOB);
    CAPTURE(refuses, flags);
    Served served({}, options(refuses));
    Lingering lingering;
    Client other = served.connect();
    REQUIRE(is_answered(other));
    Client hostile = served.connect();
    REQUIRE(is_answered(hostile));
    const bool passed = hand_over(served, hostile, lingering, flags);
    hostile.call(kCall);
    CHECK(error_of(hostile.receive()) == (passed ? kInvalid : ""));
    if (passed) CHECK(hostile.is_closed_by_peer());
    CHECK(is_answered(other));
}

TEST_CASE("a client that is closed with descriptors unread in its socket holds up nobody") {
    const bool refuses = GENERATE(true, false);
    CAPTURE(refuses);
    Limits limits;
    limits.write = std::chrono::seconds(2);
    Served served(limits, options(refuses));
    Lingering lingering;
    Client other = served.connect();
    REQUIRE(is_answered(other));
    // Answers that it does not read, and that its socket does not hold: nothing more is read from it.
    Client hostile = served.connect();
    std::string pages;
    for (int i = 0; i < 20; ++i) pages += vault_call("List", R"({"account":"many"})") + '\0';
    hostile.send(pages);
    REQUIRE(served.service.wait_for("List", 1));
    hand_over(served, hostile, lingering);
    CHECK(eventually([&] { return is_hung_up(hostile); }));
    CHECK(is_answered(other));
}

TEST_CASE("a client that is refused with descriptors unread in its socket holds up nobody") {
    const bool refuses = GENERATE(true, false);
    CAPTURE(refuses);
    Limits limits;
    limits.connections_of_uid = 1;
    Served served(limits, options(refuses));
    Lingering lingering;
    Client other = served.connect();
    REQUIRE(is_answered(other));
    std::optional<Client> hostile;
    // The strand is kept from accepting before the descriptor is there.
    int failure = 0;
    served.on_strand([&] {
        hostile.emplace(served.path());
        failure = try_to_hand_over(*hostile, lingering);
    });
    was_passed(failure);
    CHECK(error_of(hostile->receive()) == "org.hwvault.Vault.Busy");
    CHECK(eventually([&] { return is_hung_up(*hostile); }));
    CHECK(is_answered(other));
}

TEST_CASE("what makes its closer wait keeps no other from being closed") {
    constexpr int kMany = 40;
    Served served({}, options(false));
    std::vector<Lingering> lingering(kMany);
    for (auto& one : lingering) {
        Client hostile = served.connect();
        REQUIRE(hand_over(served, hostile, one));
        CHECK(error_of(hostile.receive()) == kInvalid);
    }
    int ends[2];
    REQUIRE(::pipe2(ends, O_CLOEXEC) == 0);
    const os::Fd kept(ends[0]);
    {
        const os::Fd passed(ends[1]);
        Client last = served.connect();
        REQUIRE(pass(last, passed.get()));
        CHECK(error_of(last.receive()) == kInvalid);
    }
    pollfd end{kept.get(), POLLIN, 0};
    CHECK(::poll(&end, 1, static_cast<int>(std::chrono::milliseconds(kPatience).count())) == 1);
}

TEST_CASE("who connected to an inherited socket before it was ours is held to the same") {
    const TempFolder folder;
    auto inherited = ListeningSocket::make(folder.path() / "inherited", 0600);
    REQUIRE(inherited);
    // As PassCredentials= in the socket unit.
    const int pass_credentials = 1;
    REQUIRE(::setsockopt(inherited->fd(), SOL_SOCKET, SO_PASSCRED, &pass_credentials, sizeof pass_credentials) == 0);
    Client honest(folder.path() / "inherited");
    Client hostile(folder.path() / "inherited");
    Lingering lingering;
    REQUIRE(was_passed(try_to_hand_over(hostile, lingering)));
    Door::Options with_inherited = options(true);
    with_inherited.inherited_fd = ::fcntl(inherited->fd(), F_DUPFD_CLOEXEC, 0);
    Served served({}, with_inherited);
    CHECK(error_of(hostile.receive()) == kInvalid);
    CHECK(is_answered(honest));
    Client later(folder.path() / "inherited");
    if (kernel_can_refuse()) CHECK_FALSE(pass(later, 0));
    CHECK(is_answered(later));
}

TEST_CASE("without the kernel's refusal clients are served as ever") {
    Served served({}, options(false));
    Client client = served.connect();
    SECTION("in large messages and in many") {
        const std::string large = vault_call("Verify", R"({"token":")" + std::string(1'500'000, 'x') + "\"}");
        CHECK(error_of(client.ask(large)).empty());
        std::string calls;
        for (int i = 0; i < 1'000; ++i) calls += kCall + '\0';
        std::thread sender([&] { client.send(calls); });
        for (int i = 0; i < 1'000; ++i) client.receive_text();
        sender.join();
    }
    SECTION("with half a message refused at its deadline") {
        Limits limits;
        limits.whole_message = std::chrono::milliseconds(200);
        const Served impatient(limits, options(false));
        Client slow = impatient.connect();
        slow.send("{");
        CHECK(error_of(slow.receive()) == kInvalid);
        CHECK(slow.is_closed_by_peer());
    }
    SECTION("and what they had not ended is told") {
        client.send("{");
        client.finish_sending();
        CHECK(error_of(client.receive()) == kInvalid);
    }
    SECTION("and their going is seen") {
        REQUIRE(is_answered(client));
        client.close();
        CHECK(eventually([&] { return served.connections() == 0; }));
    }
}
