// SPDX-License-Identifier: LGPL-2.1-or-later
#include "os/turns.h"

#include <algorithm>

#include <boost/asio/steady_timer.hpp>

#include "os/asio.h"

namespace hwvault::os {

struct Turns::Waiter {
    boost::asio::steady_timer timer;
    bool has_turn{false};
};

boost::asio::awaitable<std::optional<Turns::Turn>> Turns::take(std::string name, Deadline deadline) {
    Party& party = *parties_.try_emplace(std::move(name)).first;
    Waiter mine{.timer = boost::asio::steady_timer(strand_, deadline), .has_turn = false};
    const auto place = party.second.waiting.insert(party.second.waiting.end(), &mine);
    line_up(party);
    hand_out();
    if (!mine.has_turn) co_await mine.timer.async_wait(kAsTuple);
    if (!mine.has_turn) {
        give_up(party, place);
        co_return std::nullopt;
    }
    co_return std::optional<Turn>(std::in_place, *this, party);
}

void Turns::line_up(Party& party) {
    Queue& queue = party.second;
    if (queue.in_rotation || queue.waiting.empty() || queue.at_work >= limits_.at_once_of_one) return;
    queue.in_rotation = true;
    rotation_.push_back(&party);
}

void Turns::hand_out() {
    while (at_work_ < limits_.at_once && !rotation_.empty()) {
        Party& next = *rotation_.front();
        rotation_.pop_front();
        Queue& queue = next.second;
        queue.in_rotation = false;
        Waiter& first = *queue.waiting.front();
        queue.waiting.pop_front();
        ++queue.at_work;
        ++at_work_;
        first.has_turn = true;
        first.timer.cancel();
        line_up(next);
    }
}

void Turns::pass_on(Party& party) {
    --party.second.at_work;
    --at_work_;
    line_up(party);
    hand_out();
    forget_if_idle(party);
}

void Turns::give_up(Party& party, std::list<Waiter*>::iterator waiter) {
    Queue& queue = party.second;
    queue.waiting.erase(waiter);
    if (queue.in_rotation && queue.waiting.empty()) {
        queue.in_rotation = false;
        std::erase(rotation_, &party);
    }
    forget_if_idle(party);
}

void Turns::forget_if_idle(Party& party) {
    if (party.second.at_work == 0 && party.second.waiting.empty()) parties_.erase(parties_.find(party.first));
}

}  // namespace hwvault::os
