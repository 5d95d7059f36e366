// SPDX-License-Identifier: LGPL-2.1-or-later
#include "daemon/service/turns.h"

#include <memory>
#include <optional>
#include <vector>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>

#include "tests/catch.h"

using hwvault::service::Turns;

namespace {

constexpr std::uint32_t kAlice = 1000;
constexpr std::uint32_t kBob = 1001;

// Those who take turns, and keep them until they are told to give them back.
class Takers {
public:
    // The number of the one who asks.
    std::size_t ask(std::uint32_t uid) {
        const std::size_t number = turns_taken_.size();
        turns_taken_.push_back(std::make_unique<std::optional<Turns::Turn>>());
        boost::asio::co_spawn(io_, take(turns_, uid, *turns_taken_.back()), boost::asio::detached);
        work();
        return number;
    }
    void give_back(std::size_t number) {
        turns_taken_[number]->reset();
        work();
    }
    [[nodiscard]] bool has(std::size_t number) const { return turns_taken_[number]->has_value(); }

private:
    static boost::asio::awaitable<void> take(Turns& turns, std::uint32_t uid, std::optional<Turns::Turn>& turn) {
        auto taken = co_await turns.take(uid);
        turn.emplace(std::move(taken));
    }
    void work() {
        io_.restart();
        io_.poll();
    }

    boost::asio::io_context io_;
    Turns turns_{io_.get_executor(), 2};
    std::vector<std::unique_ptr<std::optional<Turns::Turn>>> turns_taken_;
};

}  // namespace

TEST_CASE("One uid has so many turns at a time, and the rest wait in order") {
    Takers takers;
    const auto first = takers.ask(kAlice);
    const auto second = takers.ask(kAlice);
    const auto third = takers.ask(kAlice);
    const auto fourth = takers.ask(kAlice);
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
    CHECK(takers.has(takers.ask(kAlice)));
}

TEST_CASE("Nobody waits for another uid's turns") {
    Takers takers;
    for (int i = 0; i < 5; ++i) takers.ask(kAlice);
    CHECK(takers.has(takers.ask(kBob)));
}
