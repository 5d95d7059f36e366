// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Small things that coroutines on the strand need: to wait until something has happened, and to let a blocking call run on
// another thread meanwhile.
#pragma once

#include <chrono>
#include <exception>
#include <memory>
#include <optional>
#include <type_traits>
#include <utility>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/bind_executor.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "os/asio.h"

namespace hwvault::service {

// Raised once; any number may wait for it, no longer than until `deadline`. Not thread-safe: lives on one strand, and
// outlives its waiters.
class Signal {
    using Timer = boost::asio::steady_timer;

public:
    explicit Signal(const boost::asio::any_io_executor& strand, Timer::time_point deadline = Timer::time_point::max())
        : timer_(strand, deadline) {}

    void raise() {
        raised_ = true;
        timer_.cancel();
    }
    [[nodiscard]] bool raised() const { return raised_; }

    boost::asio::awaitable<void> wait() {
        while (!raised_ && Timer::clock_type::now() < timer_.expiry()) co_await timer_.async_wait(os::kAsTuple);
    }

private:
    Timer timer_;
    bool raised_{false};
};

// Runs `work()` on `threads` and goes on where the caller was, with its result.
template <class Work>
boost::asio::awaitable<std::invoke_result_t<Work>> run_on(boost::asio::thread_pool& threads, Work work) {
    return boost::asio::co_spawn(
        threads.get_executor(),
        [](Work moved) -> boost::asio::awaitable<std::invoke_result_t<Work>> { co_return moved(); }(std::move(work)),
        boost::asio::use_awaitable);
}

// The same for no longer than until `deadline`: nullopt then, and what `work` gives later is dropped. Until `work` is
// done the strand does not run out of work, so that what it refers to is there.
template <class Work>
boost::asio::awaitable<std::optional<std::invoke_result_t<Work>>> run_until(std::chrono::steady_clock::time_point deadline,
                                                                            boost::asio::thread_pool& threads, Work work) {
    using Given = std::invoke_result_t<Work>;
    struct Outcome {
        Outcome(const boost::asio::any_io_executor& strand, std::chrono::steady_clock::time_point by) : there(strand, by) {}
        Signal there;
        std::exception_ptr failure{};
        std::optional<Given> result{};
    };
    const boost::asio::any_io_executor strand = co_await boost::asio::this_coro::executor;
    const auto outcome = std::make_shared<Outcome>(strand, deadline);
    const auto when_done = [outcome](std::exception_ptr failure, Given given) {
        outcome->failure = std::move(failure);
        outcome->result = std::move(given);
        outcome->there.raise();
    };
    boost::asio::co_spawn(
        threads.get_executor(), [](Work moved) -> boost::asio::awaitable<Given> { co_return moved(); }(std::move(work)),
        boost::asio::bind_executor(strand, when_done));
    co_await outcome->there.wait();
    if (outcome->failure) std::rethrow_exception(outcome->failure);
    co_return std::move(outcome->result);
}

}  // namespace hwvault::service
