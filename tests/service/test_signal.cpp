// SPDX-License-Identifier: LGPL-2.1-or-later
#include <atomic>
#include <future>
#include <new>
#include <thread>

#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>

#include "daemon/service/signal.h"
#include "tests/catch.h"

using namespace hwvault::service;

TEST_CASE("What a thread still works on when its waiter has gone on keeps the strand from ending before it") {
    using namespace std::chrono_literals;
    boost::asio::thread_pool threads{1};
    boost::asio::io_context io{1};
    std::promise<void> given_up;
    std::atomic<bool> done{false};
    std::optional<int> result{0};
    const auto wait = [&]() -> boost::asio::awaitable<void> {
        const auto slow = [&given_up, &done] {
            given_up.get_future().wait_for(30s);
            std::this_thread::sleep_for(300ms);  // in which a strand that has nothing to do would end
            done = true;
            return 1;
        };
        result = co_await run_until(std::chrono::steady_clock::now() + 10ms, threads, slow);
        given_up.set_value();
    };
    boost::asio::co_spawn(io, wait, boost::asio::detached);
    io.run();
    CHECK_FALSE(result);
    CHECK(done);
    threads.join();
}

TEST_CASE("What a thread throws ends the call that waits for it, and nothing else") {
    using namespace std::chrono_literals;
    boost::asio::thread_pool threads{1};
    boost::asio::io_context io{1};
    bool caught = false;
    const auto wait = [&]() -> boost::asio::awaitable<void> {
        const auto fails = []() -> int { throw std::bad_alloc(); };
        try {
            (void)co_await run_until(std::chrono::steady_clock::now() + 10s, threads, fails);
        } catch (const std::bad_alloc&) {
            caught = true;
        }
    };
    boost::asio::co_spawn(io, wait, boost::asio::detached);
    io.run();
    CHECK(caught);
    threads.join();
}
