// SPDX-License-Identifier: LGPL-2.1-or-later
#include "os/turns.h"

#include <memory>
#include <optional>
#include <vector>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>

#include "tests/catch.h"

namespace hwvault::os {
namespace {

// Those who take turns, and keep them until they are told to give them back.
class Takers {
public:
    explicit Takers(const Turns::Limits& limits) : turns_(io_.get_executor(), limits) {}

    // The number of the one who asks.
    std::size_t ask(const std::string& party, Turns::Deadline deadline = Turns::Deadline::max()) {
        takers_.push_back(std::make_unique<Taker>());
        boost::asio::co_spawn(io_, take(turns_, party, deadline, *takers_.back()), boost::asio::detached);
        work();
        return takers_.size() - 1;
    }
    void give_back(std::size_t number) {
        takers_[number]->turn.reset();
        work();
    }
    // For twenty seconds at most.
    void wait_until_late(std::size_t number) {
        io_.restart();
        const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(20);
        while (!was_late(number) && io_.run_one_until(end) > 0) {
        }
    }
    [[nodiscard]] bool has(std::size_t number) const { return takers_[number]->turn.has_value(); }
    [[nodiscard]] bool was_late(std::size_t number) const { return takers_[number]->late; }
    [[nodiscard]] std::size_t parties() const { return turns_.parties(); }

private:
    struct Taker {
        std::optional<Turns::Turn> turn;
        bool late{false};
    };
    static boost::asio::awaitable<void> take(Turns& turns, std::string party, Turns::Deadline deadline, Taker& taker) {
        auto taken = co_await turns.take(std::move(party), deadline);
        taker.late = !taken;
        if (taken) taker.turn.emplace(std::move(*taken));
    }
    void work() {
        io_.restart();
        io_.poll();
    }

    boost::asio::io_context io_;
    Turns turns_;
    std::vector<std::unique_ptr<Taker>> takers_;
};

TEST_CASE("One party has so many turns at a time, and the rest wait in order") {
    Takers takers({.at_once = 100, .at_once_of_one = 2});
    const auto first = takers.ask("alice");
    const auto second = takers.ask("alice");
    const auto third = takers.ask("alice");
    const auto fourth = takers.ask("alice");
    CHECK(takers.has(first));
    CHECK(takers.has(second));
    CHECK_FALSE(takers.has(third));
    takers.give_back(second);
    CHECK(takers.has(third));
    CHECK_FALSE(takers.has(fourth));
    takers.give_back(first);
    CHECK(takers.has(fourth));
    takers.give_back(third);
    takers.give_back(fourth);
    CHECK(takers.has(takers.ask("alice")));
}

TEST_CASE("Nobody waits for another party's turns as long as there are some") {
    Takers takers({.at_once = 100, .at_once_of_one = 2});
    for (int i = 0; i < 5; ++i) takers.ask("alice");
    CHECK(takers.has(takers.ask("bob")));
}

TEST_CASE("Who comes after a flood of another has the next turn, and those who wait have one each") {
    Takers takers({.at_once = 2, .at_once_of_one = 2});
    std::vector<std::size_t> flood;
    for (int i = 0; i < 100; ++i) flood.push_back(takers.ask("alice"));
    const auto bob = takers.ask("bob");
    const auto carol = takers.ask("carol");
    CHECK_FALSE(takers.has(bob));
    takers.give_back(flood[0]);
    CHECK(takers.has(bob));
    CHECK_FALSE(takers.has(carol));
    takers.give_back(flood[1]);
    CHECK(takers.has(carol));
    const auto again = takers.ask("bob");
    takers.give_back(bob);
    CHECK(takers.has(flood[2]));
    CHECK_FALSE(takers.has(again));
    takers.give_back(carol);
    CHECK(takers.has(again));
    CHECK_FALSE(takers.has(flood[3]));
}

TEST_CASE("A turn that has not come by the deadline never comes, and nothing is left of who waited") {
    Takers takers({.at_once = 1, .at_once_of_one = 1});
    const auto soon = std::chrono::steady_clock::now() + std::chrono::milliseconds(50);
    const auto first = takers.ask("alice");
    const auto late = takers.ask("bob", soon);
    const auto patient = takers.ask("carol");
    takers.wait_until_late(late);
    CHECK(std::chrono::steady_clock::now() >= soon);
    CHECK(takers.was_late(late));
    CHECK(takers.parties() == 2);
    takers.give_back(first);
    CHECK_FALSE(takers.has(late));
    CHECK(takers.has(patient));
    takers.give_back(patient);
    CHECK(takers.parties() == 0);
}

}  // namespace
}  // namespace hwvault::os
