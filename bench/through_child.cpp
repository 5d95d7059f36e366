// SPDX-License-Identifier: LGPL-2.1-or-later
#include "bench/through_child.h"

#include <exception>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>

#include "daemon/hardware/client.h"

namespace hwvault::bench {
namespace {

namespace asio = boost::asio;
using hardware::Client;
using std::chrono::steady_clock;

constexpr auto kPatience = std::chrono::seconds(60);

// Derives one after the other until `end`.
asio::awaitable<void> work(Client& client, steady_clock::time_point end, std::size_t& made) {
    for (; steady_clock::now() < end; ++made) {
        (co_await client.derive(hardware::Label::kToken, kContext, steady_clock::now() + kPatience)).value();
    }
}

}  // namespace

double through_child(const hardware::Spawn& child, std::size_t in_flight, std::chrono::nanoseconds time) {
    asio::io_context io(1);
    const auto client = Client::create(io.get_executor(), {.child = child});
    while (!client->state()) io.run_one();
    std::size_t made = 0;
    std::size_t working = in_flight;
    const auto began = steady_clock::now();
    for (std::size_t i = 0; i < in_flight; ++i) {
        asio::co_spawn(io, work(*client, began + time, made), [&working](const std::exception_ptr& failure) {
            if (failure) std::rethrow_exception(failure);
            --working;
        });
    }
    while (working > 0) io.run_one();
    const double rate = static_cast<double>(made) / std::chrono::duration<double>(steady_clock::now() - began).count();
    bool stopped = false;
    asio::co_spawn(io, client->stop(), [&stopped](const std::exception_ptr&) { stopped = true; });
    while (!stopped) io.run_one();
    return rate;
}

}  // namespace hwvault::bench
