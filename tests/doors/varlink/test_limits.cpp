// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Clients that are many, silent, slow or greedy: each is held to its limit, and nobody else notices.
#include <ctime>
#include <future>
#include <list>
#include <optional>

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/use_future.hpp>

#include "tests/doors/varlink/harness.h"

using namespace hwvault;
using namespace hwvault::tests;
using doors::varlink::Limits;
using std::chrono::milliseconds;

namespace {

const std::string kVerify = vault_call("Verify", R"({"token":"hwv_wrong"})");
const std::string kBusy = "org.hwvault.Vault.Busy";

// Raises or lowers how many descriptors this process may have, until the end of the scope.
class DescriptorLimit {
public:
    explicit DescriptorLimit(rlim_t limit) {
        ::getrlimit(RLIMIT_NOFILE, &before_);
        rlimit wanted{std::min(limit, before_.rlim_max), before_.rlim_max};
        ::setrlimit(RLIMIT_NOFILE, &wanted);
    }
    DescriptorLimit(const DescriptorLimit&) = delete;
    DescriptorLimit& operator=(const DescriptorLimit&) = delete;
    ~DescriptorLimit() { ::setrlimit(RLIMIT_NOFILE, &before_); }

private:
    rlimit before_{};
};

std::chrono::nanoseconds processor_time(clockid_t of) {
    timespec time{};
    ::clock_gettime(of, &time);
    return std::chrono::seconds(time.tv_sec) + std::chrono::nanoseconds(time.tv_nsec);
}

// The share of one busy thread that the rest of the process used in half a second: what a loop without a pause would
// use is about 1, however loaded the machine is.
double busyness_of_the_rest() {
    const auto process_before = processor_time(CLOCK_PROCESS_CPUTIME_ID);
    const auto own_before = processor_time(CLOCK_THREAD_CPUTIME_ID);
    const auto end = std::chrono::steady_clock::now() + milliseconds(500);
    while (std::chrono::steady_clock::now() < end) {
    }
    const auto own = processor_time(CLOCK_THREAD_CPUTIME_ID) - own_before;
    const auto process = processor_time(CLOCK_PROCESS_CPUTIME_ID) - process_before;
    return std::chrono::duration<double>(process - own) / std::chrono::duration<double>(own);
}

Limits with_write_deadline(milliseconds deadline) {
    Limits limits;
    limits.write = deadline;
    return limits;
}

}  // namespace

TEST_CASE("a thousand clients at once are all answered") {
    const DescriptorLimit room(4'096);
    Served served;
    std::list<Client> clients;
    for (int i = 0; i < 1'000; ++i) clients.push_back(served.connect());
    for (auto& client : clients) client.call(kVerify);
    for (auto& client : clients) CHECK_FALSE(client.receive_parameters().at("active").as_bool());
    CHECK(served.connections() == 1'000);
    clients.clear();
    CHECK(eventually([&] { return served.connections() == 0; }));
}

TEST_CASE("one connection too many is told Busy and closed, and its place is free again when another goes") {
    Limits limits;
    limits.connections_of_uid = 2;
    Served served(limits);
    Client first = served.connect();
    Client second = served.connect();
    first.ask(kVerify);
    second.ask(kVerify);
    Client third = served.connect();
    CHECK(error_of(third.receive()) == kBusy);
    CHECK(third.is_closed_by_peer());
    second.close();
    REQUIRE(eventually([&] { return served.connections() == 1; }));
    Client fourth = served.connect();
    CHECK(error_of(fourth.ask(kVerify)).empty());
    CHECK(error_of(first.ask(kVerify)).empty());
}

TEST_CASE("a unit's connection too many is told Busy at its first call and closed") {
    Limits limits;
    limits.connections_of_unit = 2;
    Served served(limits);
    served.resolver.unit = "billing.service";
    Client first = served.connect();
    Client second = served.connect();
    CHECK(error_of(first.ask(kVerify)).empty());
    CHECK(error_of(second.ask(kVerify)).empty());
    Client third = served.connect();
    CHECK(error_of(third.ask(kVerify)) == kBusy);
    CHECK(third.is_closed_by_peer());
    CHECK(error_of(first.ask(kVerify)).empty());
    second.close();
    REQUIRE(eventually([&] { return served.connections() == 1; }));
    Client fourth = served.connect();
    CHECK(error_of(fourth.ask(kVerify)).empty());
}

TEST_CASE("a client that connects and says nothing is closed at its deadline") {
    Limits limits;
    limits.first_message = milliseconds(50);
    Served served(limits);
    Client silent = served.connect();
    CHECK(silent.is_closed_by_peer());
    CHECK(eventually([&] { return served.connections() == 0; }));
}

TEST_CASE("a client that has made a call may rest as long as it likes") {
    Limits limits;
    limits.first_message = milliseconds(500);
    limits.whole_message = milliseconds(50);
    Served served(limits);
    std::optional<Client> resting;
    // The strand is kept from accepting before the call is there.
    served.on_strand([&] {
        resting.emplace(served.path());
        resting->call(kVerify);
    });
    CHECK(error_of(resting->receive()).empty());
    // Longer than both deadlines, shown by another client that runs into one meanwhile.
    CHECK(served.connect().is_closed_by_peer());
    CHECK(served.connect().is_closed_by_peer());
    CHECK(error_of(resting->ask(kVerify)).empty());
}

TEST_CASE("half a message is refused at its deadline, even when it goes on byte by byte") {
    Limits limits;
    limits.whole_message = milliseconds(100);
    Served served(limits);
    SECTION("and then nothing") {
        Client client = served.connect();
        client.send(R"({"method":)");
        CHECK(error_of(client.receive()) == "org.hwvault.Vault.InvalidArgument");
        CHECK(client.is_closed_by_peer());
    }
    SECTION("byte by byte") {
        Client client = served.connect();
        std::atomic<bool> stop{false};
        std::thread trickle([&] {
            while (!stop) {
                client.send(" ");
                std::this_thread::sleep_for(milliseconds(10));
            }
        });
        CHECK(error_of(client.receive()) == "org.hwvault.Vault.InvalidArgument");
        stop = true;
        trickle.join();
    }
    SECTION("behind a whole one") {
        Client client = served.connect();
        client.send(kVerify + '\0' + "{");
        CHECK(error_of(client.receive()).empty());
        CHECK(error_of(client.receive()) == "org.hwvault.Vault.InvalidArgument");
    }
    CHECK(eventually([&] { return served.connections() == 0; }));
}

TEST_CASE("a client that asks and does not read is closed, and others are answered meanwhile") {
    Served served(with_write_deadline(milliseconds(200)));
    Client greedy = served.connect();
    const std::string page = vault_call("List", R"({"account":"many"})") + '\0';
    for (int i = 0; i < 20; ++i) greedy.send(page);  // about 6 MB of answers
    Client other = served.connect();
    CHECK(error_of(other.ask(kVerify)).empty());
    CHECK(eventually([&] { return served.connections() == 1; }));
    // Back-pressure: not all was even asked of the service.
    CHECK(served.service.calls_of("List") < 20);
}

TEST_CASE("large messages beyond the memory for them are told Busy, small ones go on") {
    Limits limits;
    limits.buffered = 256 << 10;
    Served served(limits);
    Client holder = served.connect();
    holder.send(R"({"method":")" + std::string(120'000, 'x'));  // now holds a buffer of 128 KiB or more
    Client greedy = served.connect();
    greedy.call(vault_call("Verify", R"({"token":")" + std::string(300'000, 'x') + "\"}"));
    CHECK(error_of(greedy.receive()) == kBusy);
    Client small = served.connect();
    CHECK(error_of(small.ask(kVerify)).empty());
}

TEST_CASE("a large call has its share of the memory until it is answered") {
    Limits limits;
    limits.buffered = 400'000;
    Served served(limits);
    const auto import = [](const std::string& name) {
        return vault_call("Import", R"({"name":")" + name + R"(","secret":")" + std::string(200'000, 'x') + "\"}");
    };
    Client first = served.connect();
    first.call(import("slow"));
    REQUIRE(served.service.wait_for("Import", 1));
    Client second = served.connect();
    second.call(import("quick"));
    CHECK(error_of(second.receive()) == kBusy);
    served.service.release();
    CHECK(error_of(first.receive()).empty());
    Client third = served.connect();
    CHECK(error_of(third.ask(import("quick"))).empty());
}

TEST_CASE("a Watch keeps no memory for its call, however large that was") {
    Limits limits;
    limits.buffered = 400'000;
    Served served(limits);
    Client watcher = served.connect();
    watcher.call(vault_call("Watch", std::string(200'000, ' ') + R"({"account":"*"})", R"(,"more":true)"));
    CHECK(error_of(watcher.receive()).empty());
    Client other = served.connect();
    CHECK(error_of(other.ask(vault_call("Verify", R"({"token":")" + std::string(200'000, 'x') + "\"}"))).empty());
}

TEST_CASE("an answer that there is no memory for is Busy, and the connection goes on") {
    Limits limits;
    limits.buffered = 100'000;
    Served served(limits);
    Client client = served.connect();
    CHECK(error_of(client.ask(vault_call("List", R"({"account":"many"})"))) == kBusy);
    CHECK(error_of(client.ask(kVerify)).empty());
}

TEST_CASE("without descriptors the door waits, does not spin, and goes on when there are some") {
    Served served;
    Client before = served.connect();
    before.ask(kVerify);
    const int last = ::fcntl(0, F_DUPFD_CLOEXEC, 0);
    os::Fd kept(last);
    // The client's descriptor is the last that there is: none is left to accept it with.
    const DescriptorLimit none(static_cast<rlim_t>(last) + 1);
    kept = os::Fd();
    Client shut_out = served.connect();
    CHECK(busyness_of_the_rest() < 0.25);
    CHECK(served.connections() == 1);
    before.close();
    CHECK(error_of(shut_out.ask(kVerify)).empty());
}

TEST_CASE("stop() lets an open call end, closes idle clients, and takes no new ones") {
    Served served;
    Client idle = served.connect();
    idle.ask(kVerify);
    Client busy = served.connect();
    busy.call(vault_call("Retrieve", R"({"name":"slow"})"));
    REQUIRE(served.service.wait_for("Retrieve", 1));
    served.on_strand([&] { served.door->stop(); });
    CHECK(idle.is_closed_by_peer());
    CHECK_FALSE(std::filesystem::exists(served.path()));
    CHECK_THROWS(served.connect());
    served.service.release();
    CHECK(text_at(busy.receive_parameters(), "token") == FakeService::kToken);
    CHECK(busy.is_closed_by_peer());
}

TEST_CASE("After stop() all that was sent is answered, and what is sent then is refused by the kernel") {
    Served served;
    Client client = served.connect();
    client.call(vault_call("Retrieve", R"({"name":"slow"})"));
    client.call(kVerify);
    client.call(vault_call("Describe", R"({"name":"ci"})"));
    REQUIRE(served.service.wait_for("Retrieve", 1));
    served.on_strand([&] { served.door->stop(); });
    CHECK(::send(client.fd(), "x", 1, MSG_NOSIGNAL) == -1);
    CHECK(errno == EPIPE);
    served.service.release();
    CHECK(text_at(client.receive_parameters(), "token") == FakeService::kToken);
    CHECK(client.receive_parameters().contains("active"));
    CHECK(client.receive_parameters().contains("info"));
    CHECK(client.is_closed_by_peer());
}

TEST_CASE("stop() closes what is still open at the drain deadline") {
    Limits limits;
    limits.drain = milliseconds(50);
    Served served(limits);
    Client busy = served.connect();
    busy.call(vault_call("Retrieve", R"({"name":"slow"})"));
    REQUIRE(served.service.wait_for("Retrieve", 1));
    served.on_strand([&] { served.door->stop(); });
    CHECK(busy.is_closed_by_peer());
    served.service.release();
}

TEST_CASE("Who waits for the last session after the drain deadline does not spin") {
    Limits limits;
    limits.drain = milliseconds(50);
    Served served(limits);
    Client busy = served.connect();
    busy.call(vault_call("Retrieve", R"({"name":"slow"})"));
    REQUIRE(served.service.wait_for("Retrieve", 1));
    std::future<void> drained;
    served.on_strand([&] {
        served.door->stop();
        drained = boost::asio::co_spawn(served.service.executor(), served.door->drained(), boost::asio::use_future);
    });
    REQUIRE(busy.is_closed_by_peer());
    CHECK(busyness_of_the_rest() < 0.25);
    CHECK(drained.wait_for(milliseconds(0)) == std::future_status::timeout);
    served.service.release();
    CHECK(drained.wait_for(kPatience) == std::future_status::ready);
}
