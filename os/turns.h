// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Turns at something that only so many can use at a time, fair between parties: they are given in rotation, one to each
// party that waits, and within a party to who waits longest. So one that floods makes another wait for about one turn to
// end, not for the flood.
//
// Who counts as a party is for the user to say. How many may wait is bounded elsewhere; how long, by each one's deadline.
// Not thread-safe: lives on one strand, and outlives all turns and all who wait for one.
#pragma once

#include <chrono>
#include <cstddef>
#include <deque>
#include <list>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>

namespace hwvault::os {

class Turns {
    struct Waiter;
    struct Queue {
        std::size_t at_work{0};
        std::list<Waiter*> waiting;
        bool in_rotation{false};  // it has waiters, and may have another turn
    };
    using Party = std::pair<const std::string, Queue>;

public:
    struct Limits {
        std::size_t at_once;         // in all
        std::size_t at_once_of_one;  // party
    };
    using Deadline = std::chrono::steady_clock::time_point;

    Turns(boost::asio::any_io_executor strand, const Limits& limits) : strand_(std::move(strand)), limits_(limits) {}
    Turns(const Turns&) = delete;
    Turns& operator=(const Turns&) = delete;

    // Passes on when it goes.
    class Turn {
    public:
        Turn(Turns& turns, Party& party) : turns_(&turns), party_(&party) {}
        Turn(Turn&& other) noexcept : turns_(std::exchange(other.turns_, nullptr)), party_(other.party_) {}
        Turn& operator=(Turn&&) = delete;
        ~Turn() {
            if (turns_ != nullptr) turns_->pass_on(*party_);
        }

    private:
        Turns* turns_;
        Party* party_;
    };

    // nullopt when it has not come by the deadline.
    boost::asio::awaitable<std::optional<Turn>> take(std::string party, Deadline deadline = Deadline::max());

    // Parties that have a turn or wait for one.
    [[nodiscard]] std::size_t parties() const { return parties_.size(); }

private:
    void line_up(Party& party);
    void hand_out();
    void pass_on(Party& party);
    void give_up(Party& party, std::list<Waiter*>::iterator waiter);
    void forget_if_idle(Party& party);

    boost::asio::any_io_executor strand_;
    Limits limits_;
    std::size_t at_work_{0};
    std::unordered_map<std::string, Queue> parties_;
    std::deque<Party*> rotation_;
};

}  // namespace hwvault::os
