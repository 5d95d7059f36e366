// SPDX-License-Identifier: LGPL-2.1-or-later
#include "bench/load_side.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <limits>
#include <stdexcept>
#include <system_error>

#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

namespace hwvault::bench {
namespace {

constexpr std::size_t kRead = 64 << 10;  // bytes at once
constexpr int kForever = -1;             // of epoll_wait()

[[noreturn]] void fail(const char* call) {
    throw std::system_error(errno, std::generic_category(), call);
}

int connect_to(const std::filesystem::path& path) {
    const int descriptor = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (descriptor < 0) fail("socket");
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path.native().copy(address.sun_path, sizeof address.sun_path - 1);
    if (::connect(descriptor, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) fail("connect");
    return descriptor;
}

}  // namespace

LoadSide::LoadSide(const std::filesystem::path& socket, std::unique_ptr<Wire> wire, const Load& load)
    : wire_(std::move(wire)), load_(load), epoll_(::epoll_create1(EPOLL_CLOEXEC)), connections_(load.connections) {
    if (epoll_ < 0) fail("epoll_create1");
    for (std::size_t i = 0; i < connections_.size(); ++i) {
        connections_[i].socket = connect_to(socket);
        connections_[i].number = i;
        epoll_event event{};
        event.events = EPOLLIN;
        event.data.u64 = i;
        if (::epoll_ctl(epoll_, EPOLL_CTL_ADD, connections_[i].socket, &event) != 0) fail("epoll_ctl");
    }
}

LoadSide::~LoadSide() {
    for (const Connection& connection : connections_) ::close(connection.socket);
    ::close(epoll_);
}

void LoadSide::call(Connection& connection, Clock::time_point asked) {
    const std::size_t number = in_order_ ? called_ : random_() % load_.tokens;
    wire_->append_call(connection.out, connection.number, number);
    connection.asked.push_back(asked);
    ++called_;
    ++in_flight_;
}

void LoadSide::watch(Connection& connection, bool for_writing) {
    if (connection.waits_to_write == for_writing) return;
    connection.waits_to_write = for_writing;
    epoll_event event{};
    event.events = for_writing ? EPOLLIN | EPOLLOUT : EPOLLIN;
    event.data.u64 = connection.number;
    if (::epoll_ctl(epoll_, EPOLL_CTL_MOD, connection.socket, &event) != 0) fail("epoll_ctl");
}

void LoadSide::flush(Connection& connection) {
    while (connection.sent < connection.out.size()) {
        const ssize_t wrote = ::send(connection.socket, connection.out.data() + connection.sent,
                                     connection.out.size() - connection.sent, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (wrote < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) return watch(connection, true);
        if (wrote < 0) fail("send");
        connection.sent += static_cast<std::size_t>(wrote);
    }
    connection.out.clear();
    connection.sent = 0;
    watch(connection, false);
}

// How many there were.
std::size_t LoadSide::read_answers(Connection& connection) {
    std::array<char, kRead> bytes;
    const ssize_t got = ::recv(connection.socket, bytes.data(), bytes.size(), MSG_DONTWAIT);
    if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) return 0;
    if (got < 0) fail("recv");
    if (got == 0) throw std::runtime_error("the server closed a connection");
    connection.in.append(bytes.data(), static_cast<std::size_t>(got));
    const auto now = Clock::now();
    std::size_t count = 0;
    std::string_view rest = connection.in;
    while (const std::size_t size = rest.empty() ? 0 : wire_->answer_size(rest)) {
        rest.remove_prefix(size);
        const auto took = std::chrono::nanoseconds(now - connection.asked.front()).count();
        latencies_.push_back(static_cast<std::uint32_t>(std::min<std::int64_t>(took, std::numeric_limits<std::uint32_t>::max())));
        connection.asked.pop_front();
        ++count;
    }
    connection.in.erase(0, connection.in.size() - rest.size());
    in_flight_ -= count;
    return count;
}

template <class Answered>
void LoadSide::turn(int timeout, Answered answered) {
    std::array<epoll_event, 64> events;
    const int ready = ::epoll_wait(epoll_, events.data(), static_cast<int>(events.size()), timeout);
    if (ready < 0 && errno != EINTR) fail("epoll_wait");
    for (int i = 0; i < ready; ++i) {
        Connection& connection = connections_[events[static_cast<std::size_t>(i)].data.u64];
        answered(connection, read_answers(connection));
        flush(connection);
    }
}

double LoadSide::closed_loop(std::chrono::nanoseconds time) {
    const auto began = Clock::now();
    const auto end = began + time;
    for (Connection& connection : connections_) {
        for (std::size_t i = 0; i < load_.in_flight; ++i) call(connection, began);
        flush(connection);
    }
    const std::size_t before = latencies_.size();
    while (in_flight_ > 0) {
        turn(kForever, [&](Connection& connection, std::size_t count) {
            const auto now = Clock::now();
            if (now >= end) return;
            for (std::size_t i = 0; i < count; ++i) call(connection, now);
        });
    }
    return static_cast<double>(latencies_.size() - before) / std::chrono::duration<double>(Clock::now() - began).count();
}

void LoadSide::closed_loop_of(std::size_t calls) {
    called_ = 0;
    in_order_ = true;
    const auto make = [&](Connection& connection, std::size_t count) {
        for (std::size_t i = 0; i < count && called_ < calls; ++i) call(connection, Clock::now());
    };
    for (Connection& connection : connections_) {
        make(connection, load_.in_flight);
        flush(connection);
    }
    while (in_flight_ > 0) turn(kForever, make);
    in_order_ = false;
}

// It does not sleep between arrivals, since to wake up takes longer than an answer.
void LoadSide::open_loop(double rate, std::chrono::nanoseconds time) {
    const auto began = Clock::now();
    const auto due = [&](std::size_t number) {
        return began + std::chrono::nanoseconds(static_cast<std::int64_t>(1e9 * static_cast<double>(number) / rate));
    };
    const auto all = static_cast<std::size_t>(rate * std::chrono::duration<double>(time).count());
    for (std::size_t made = 0; made < all || in_flight_ > 0;) {
        for (const auto now = Clock::now(); made < all && due(made) <= now; ++made) {
            Connection& connection = connections_[made % connections_.size()];
            call(connection, due(made));
            flush(connection);
        }
        turn(0, [](Connection&, std::size_t) {});
    }
}

std::vector<double> LoadSide::take_latencies(const std::vector<double>& shares) {
    std::ranges::sort(latencies_);
    std::vector<double> found;
    for (const double share : shares) {
        const auto last = static_cast<double>(latencies_.size() - 1);
        found.push_back(latencies_.empty() ? 0 : latencies_[static_cast<std::size_t>(share * last)]);
    }
    latencies_.clear();
    return found;
}

}  // namespace hwvault::bench
