// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Connections that verify, while they wait for their client's next call.
#include "daemon/doors/varlink/poller.h"

#include <array>
#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include <sys/socket.h>

#include "daemon/doors/varlink/limits.h"
#include "tests/doors/varlink/harness.h"

using namespace hwvault;
using namespace hwvault::tests;
using namespace hwvault::doors::varlink;

namespace {

// One that is watched: what it does when it is told, and how often that was.
struct Watched final : Poller::Client {
    Watched() {
        std::array<int, 2> ends{};
        REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends.data()) == 0);
        ours = os::Fd(ends[0]);
        theirs = os::Fd(ends[1]);
    }
    void say() const { REQUIRE(::send(theirs.get(), "x", 1, MSG_NOSIGNAL) == 1); }
    std::size_t on_readable() override {
        ++told;
        char byte = 0;
        heard += ::recv(ours.get(), &byte, 1, MSG_DONTWAIT) == 1 ? 1 : 0;
        if (then) then();
        return calls;
    }

    os::Fd ours;
    os::Fd theirs;
    std::size_t calls{1};
    std::function<void()> then;
    int told{0};
    int heard{0};
};

class Polled {
public:
    explicit Polled(std::size_t count) : watched(count) {
        REQUIRE(poller->start());
        for (Watched& each : watched) places.push_back(poller->add(each.ours.get(), each).value());
    }
    Polled(const Polled&) = delete;
    Polled& operator=(const Polled&) = delete;
    ~Polled() {
        poller->close();
        io.poll();
    }
    void remove(std::size_t i) { poller->remove(places[i], watched[i].ours.get()); }
    void poll() {
        io.restart();
        io.poll();
    }

    boost::asio::io_context io;
    std::shared_ptr<Poller> poller = std::make_shared<Poller>(io.get_executor(), std::make_shared<Workspace>());
    std::vector<Watched> watched;
    std::vector<Poller::Place> places;
};

// So that the door takes it for one that verifies.
Client verifier(Served<>& served) {
    Client client = served.connect();
    client.ask(vault_call("Status"));
    client.ask(vault_call("Verify", R"({"token":"hwv_wrong"})"));
    return client;
}

const std::string kActive = vault_call("Verify", "{\"token\":\"" + std::string(FakeService::kToken) + "\"}") + '\0';

}  // namespace

TEST_CASE("whoever has something to read is told, one alone as one of many, until it was read") {
    for (const std::size_t count : {1U, 2U, 100U}) {
        Polled polled(count);
        polled.poll();
        for (Watched& each : polled.watched) CHECK(each.told == 0);
        for (int i = 0; i < 2; ++i) polled.watched[0].say();
        for (const Watched& each : polled.watched) each.say();
        polled.poll();
        for (std::size_t i = 0; i < count; ++i) CHECK(polled.watched[i].heard == (i == 0 ? 3 : 1));
    }
}

TEST_CASE("whoever was removed is told nothing any more, and its place serves another") {
    Polled polled(3);
    polled.remove(1);
    for (const Watched& each : polled.watched) each.say();
    polled.poll();
    CHECK(polled.watched[1].told == 0);
    CHECK(polled.poller->add(polled.watched[1].ours.get(), polled.watched[1]) == polled.places[1]);
    polled.poll();
    CHECK(polled.watched[1].heard == 1);
    polled.remove(0);
    polled.remove(1);
    for (const Watched& each : polled.watched) each.say();
    polled.poll();
    CHECK(polled.watched[2].heard == 2);
    CHECK(polled.watched[0].heard + polled.watched[1].heard == 2);
}

TEST_CASE("of two that are ready together, one may remove the other") {
    Polled polled(2);
    for (std::size_t i = 0; i < 2; ++i) {
        polled.watched[i].then = [&polled, i] { polled.remove(1 - i); };
        polled.watched[i].say();
    }
    polled.poll();
    CHECK(polled.watched[0].told + polled.watched[1].told == 1);
}

TEST_CASE("others on the strand have their turn between many that are ready together and have much to say") {
    constexpr std::size_t kReadyTogether = 3 * kMaxCallsOfAllInOneGo / kMaxCallsInOneGo;
    Polled polled(kReadyTogether);
    std::size_t told = 0;
    std::vector<std::size_t> told_before_others;
    for (Watched& each : polled.watched) {
        each.calls = kMaxCallsInOneGo;
        each.then = [&] {
            if (told++ == 0) boost::asio::post(polled.io, [&] { told_before_others.push_back(told); });
        };
        each.say();
    }
    polled.poll();
    CHECK(told == kReadyTogether);
    REQUIRE(told_before_others.size() == 1);
    CHECK(told_before_others[0] == kMaxCallsOfAllInOneGo / kMaxCallsInOneGo);
}

TEST_CASE("verifiers that wait make other calls, leave and come, and each gets its own answers") {
    Served served;
    std::vector<Client> clients;
    for (int i = 0; i < 80; ++i) clients.push_back(verifier(served));
    for (int round = 0; round < 3; ++round) {
        for (Client& client : clients) client.send(kActive + kActive);
        for (Client& client : clients) client.call(vault_call("Describe", R"({"name":"ci"})"));
        for (Client& client : clients) client.send(kActive.substr(0, 70));
        for (Client& client : clients) client.send(kActive.substr(70));
        for (Client& client : clients) {
            for (int i = 0; i < 2; ++i) CHECK(client.receive_parameters().at("active").as_bool());
            CHECK(client.receive_parameters().contains("info"));
            CHECK(client.receive_parameters().at("active").as_bool());
        }
        for (int i = 0; i < 20; ++i) clients.pop_back();
        CHECK(eventually([&] { return served.connections() == clients.size(); }));
        for (int i = 0; i < 10; ++i) clients.push_back(verifier(served));
    }
}

TEST_CASE("a verifier that waits when the door stops has its connection closed at once, and what it had sent is answered") {
    Served served;
    Client quiet = verifier(served);
    Client busy = verifier(served);
    served.on_strand([&] {
        busy.send(kActive);
        served.door->stop();
    });
    CHECK(busy.receive_parameters().at("active").as_bool());
    CHECK(busy.is_closed_by_peer());
    CHECK(quiet.is_closed_by_peer());
    CHECK(eventually([&] { return served.connections() == 0; }));
}
