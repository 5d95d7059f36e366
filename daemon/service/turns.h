// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Work that one uid may do only so much of at a time: the rest of it waits, first come, first served, and nobody
// else's with it. How many may wait is the limiter's matter.
//
// Not thread-safe: lives on one strand, and outlives all turns and all who wait for one.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <unordered_map>
#include <utility>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>

#include "daemon/service/signal.h"

namespace hwvault::service {

class Turns {
public:
    Turns(boost::asio::any_io_executor strand, std::size_t at_once) : strand_(std::move(strand)), at_once_(at_once) {}

    // Passes to who waits longest when it goes.
    class Turn {
    public:
        Turn(Turns& turns, std::uint32_t uid) : turns_(&turns), uid_(uid) {}
        Turn(Turn&& other) noexcept : turns_(std::exchange(other.turns_, nullptr)), uid_(other.uid_) {}
        Turn& operator=(Turn&&) = delete;
        ~Turn() {
            if (turns_ != nullptr) turns_->pass_on(uid_);
        }

    private:
        Turns* turns_;
        std::uint32_t uid_;
    };

    boost::asio::awaitable<Turn> take(std::uint32_t uid) {
        Queue& queue = queues_[uid];
        if (queue.at_work < at_once_) {
            ++queue.at_work;
        } else {
            Signal mine(strand_);
            queue.waiting.push_back(&mine);
            co_await mine.wait();
        }
        co_return Turn(*this, uid);
    }

private:
    struct Queue {
        std::size_t at_work{0};
        std::deque<Signal*> waiting;
    };

    void pass_on(std::uint32_t uid) {
        const auto found = queues_.find(uid);
        Queue& queue = found->second;
        if (!queue.waiting.empty()) {
            queue.waiting.front()->raise();
            queue.waiting.pop_front();
        } else if (--queue.at_work == 0) {
            queues_.erase(found);
        }
    }

    boost::asio::any_io_executor strand_;
    std::size_t at_once_;
    std::unordered_map<std::uint32_t, Queue> queues_;
};

}  // namespace hwvault::service
