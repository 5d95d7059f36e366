// SPDX-License-Identifier: LGPL-2.1-or-later
//
// One server under load: connections to its Unix socket, and calls on them, from one thread that waits in epoll. The same
// code for every server, so that what a client costs is in both figures of a comparison.
//
// Closed loop: each connection has so many calls in flight, and makes the next when one was answered. What comes with one
// read is answered with one write, as pipelining clients do.
// Open loop: calls arrive at a fixed rate, each on the next connection, whether or not those before were answered. How long one
// took counts from when it was to be sent, so that a server that stands still is charged for all who would have come meanwhile.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <filesystem>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "bench/load_wire.h"

namespace hwvault::bench {

struct Load {
    std::size_t connections{1};
    std::size_t in_flight{1};  // on each
    std::size_t tokens{1};     // asked for at random among the first so many
};

class LoadSide {
public:
    // Connects; throws std::system_error, and later std::runtime_error when the server closes or answers otherwise.
    LoadSide(const std::filesystem::path& socket, std::unique_ptr<Wire> wire, const Load& load);
    LoadSide(const LoadSide&) = delete;
    LoadSide& operator=(const LoadSide&) = delete;
    ~LoadSide();

    // Answers per second of a closed loop, which begins and ends with nothing in flight.
    double closed_loop(std::chrono::nanoseconds time);
    // So many calls, in order: number 0 first.
    void closed_loop_of(std::size_t calls);
    // Calls arrive `rate` times a second for so long, and all are waited for.
    void open_loop(double rate, std::chrono::nanoseconds time);

    // Of all calls until now, in nanoseconds; `share` is 0.5 for the median. Forgets them.
    std::vector<double> take_latencies(const std::vector<double>& shares);

private:
    using Clock = std::chrono::steady_clock;
    struct Connection {
        int socket{-1};
        std::size_t number{0};
        std::string out;
        std::size_t sent{0};  // of `out`
        std::string in;
        std::deque<Clock::time_point> asked;  // of those that were not answered
        bool waits_to_write{false};
    };

    void call(Connection& connection, Clock::time_point asked);
    void flush(Connection& connection);
    void watch(Connection& connection, bool for_writing);
    std::size_t read_answers(Connection& connection);
    // Handles what is there; `answered(connection, count)` before what it wrote is sent.
    template <class Answered>
    void turn(int timeout, Answered answered);

    std::unique_ptr<Wire> wire_;
    Load load_;
    int epoll_;
    std::vector<Connection> connections_;
    std::minstd_rand random_{1};
    bool in_order_{false};
    std::size_t called_{0};
    std::size_t in_flight_{0};
    std::vector<std::uint32_t> latencies_;  // nanoseconds
};

}  // namespace hwvault::bench
