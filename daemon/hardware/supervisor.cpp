// SPDX-License-Identifier: LGPL-2.1-or-later
#include "daemon/hardware/supervisor.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>

#include <sys/socket.h>
#include <sys/un.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/experimental/awaitable_operators.hpp>

#include "os/asio.h"

namespace hwvault::hardware {
namespace {

namespace asio = boost::asio;
using std::chrono::milliseconds;
using std::chrono::steady_clock;

using os::kAsTuple;
constexpr milliseconds kStopPatience{3'000};
constexpr milliseconds kExitPatience{1'000};  // for a child that was told to end, or killed
constexpr milliseconds kCrashPatience{100};   // for one whose connection ended: it is a zombie already, or hung

// True when the device may have become unusable; kBusy and the like say nothing about it.
bool casts_doubt(const Error& error) {
    return error.code == ErrorCode::kHardwareUnavailable || error.code == ErrorCode::kHardwareLocked ||
           error.code == ErrorCode::kNotInitialised;
}

}  // namespace

std::shared_ptr<Supervisor> Supervisor::start(const asio::any_io_executor& executor, Options options) {
    auto supervisor = std::make_shared<Supervisor>(executor, std::move(options));
    asio::co_spawn(
        executor, [supervisor] { return supervisor->run(); }, asio::detached);
    return supervisor;
}

Supervisor::Supervisor(const asio::any_io_executor& executor, Options options)
    : executor_(executor),
      options_(std::move(options)),
      trouble_(hardware_unavailable("The hardware child is being started: try again in a moment.")),
      pause_(executor),
      back_(executor, steady_clock::time_point::min()),
      probe_(executor),
      finished_(executor, steady_clock::time_point::max()) {}

asio::awaitable<Result<SecretBytes>> Supervisor::call(Verb verb, Deadline deadline) {
    const auto self = shared_from_this();
    co_await usable_other_than(nullptr, deadline);
    auto connection = connection_;
    if (!connection) co_return trouble_.value_or(hardware_unavailable("The hardware child is not connected."));
    auto result = co_await connection->call(verb, deadline);
    if (!result && connection->is_closed() && !std::holds_alternative<CheckpointRequest>(verb)) {
        if (connection_ == connection) back_.expires_after(options_.restart_patience);  // this call is the first to notice
        const bool is_back = co_await usable_other_than(connection, deadline);
        if (!is_back) co_return result;
        connection = connection_;
        result = co_await connection->call(std::move(verb), deadline);
    }
    if (!result && casts_doubt(result.error()) && !trouble_) probe_.cancel();
    co_return result;
}

// Waits for as long as a restart may take since the last loss; true when there is a connection to a device that works.
asio::awaitable<bool> Supervisor::usable_other_than(std::shared_ptr<Connection> lost, Deadline deadline) {
    using asio::experimental::awaitable_operators::operator||;
    const auto is_usable = [this, &lost] { return connection_ && connection_ != lost && !trouble_; };
    asio::steady_timer too_late(executor_, deadline);
    while (!is_usable() && !stopping_ && std::min(back_.expiry(), deadline) > steady_clock::now()) {
        co_await (back_.async_wait(kAsTuple) || too_late.async_wait(kAsTuple));
    }
    co_return is_usable();
}

void Supervisor::end() {
    stopping_ = true;
    if (connection_) connection_->close(hardware_unavailable("The vault is stopping."));
    pause_.cancel();
    back_.cancel();
}

asio::awaitable<void> Supervisor::stop() {
    const auto self = shared_from_this();
    end();
    if (!running_) co_return;
    finished_.expires_after(kStopPatience);
    co_await finished_.async_wait(kAsTuple);
}

asio::awaitable<void> Supervisor::run() {
    const auto self = shared_from_this();
    milliseconds pause = options_.first_pause;
    while (!stopping_) {
        const auto started = steady_clock::now();
        auto socket = co_await open_socket();
        if (socket) {
            co_await serve(std::move(*socket));
        } else {
            set_trouble(socket.error());
        }
        if (stopping_) break;
        if (steady_clock::now() - started >= options_.served_a_while) pause = options_.first_pause;
        pause_.expires_after(pause);
        co_await pause_.async_wait(kAsTuple);
        pause = std::min(pause * 2, options_.longest_pause);
    }
    running_ = false;
    finished_.cancel();
}

asio::awaitable<Result<Socket>> Supervisor::open_socket() {
    if (const auto* to_spawn = std::get_if<Spawn>(&options_.child)) co_return spawn(*to_spawn);
    auto socket = co_await connect(std::get<Connect>(options_.child));
    co_return socket;
}

Result<Socket> Supervisor::spawn(const Spawn& spawn) {
    std::array<int, 2> pair{};
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair.data()) != 0) {
        return errno_error("socketpair", errno, ErrorCode::kHardwareUnavailable);
    }
    os::Fd ours{pair[0]};
    HWVAULT_TRY(auto child, ChildProcess::start(executor_, spawn, os::Fd{pair[1]}));
    child_.emplace(std::move(child));
    return Socket(executor_, asio::local::stream_protocol(), ours.release());
}

asio::awaitable<Result<Socket>> Supervisor::connect(const Connect& connect) {
    const std::string path = connect.path.string();
    if (path.size() >= sizeof(sockaddr_un::sun_path)) {
        co_return Error{ErrorCode::kInvalidArgument, path + " is too long for a Unix socket: choose a shorter path."};
    }
    Socket socket(executor_);
    const auto [failure] = co_await socket.async_connect(asio::local::stream_protocol::endpoint(path), kAsTuple);
    if (failure) {
        co_return hardware_unavailable("Connecting to the hardware child at " + path + ": " + failure.message() +
                              ". Is hwvault-hardware running?");
    }
    co_return socket;
}

asio::awaitable<void> Supervisor::serve(Socket socket) {
    const auto connection = Connection::start(std::move(socket), options_.hang_timeout);
    connection_ = connection;
    if (stopping_) end();
    asio::co_spawn(
        executor_, [self = shared_from_this(), connection] { return self->watch_state(connection); }, asio::detached);
    auto reason = co_await connection->closed();
    connection_.reset();
    probe_.cancel();
    if (!trouble_) back_.expires_after(options_.restart_patience);
    set_trouble(reason);
    if (!child_) co_return;
    const std::string how = co_await end_child();
    reason.message += " It ended with " + how + ".";
    set_trouble(reason);
}

asio::awaitable<std::string> Supervisor::end_child() {
    std::string how = co_await child_->ended(stopping_ ? kExitPatience : kCrashPatience);
    while (how == ChildProcess::kStillRunning) {
        child_->kill();
        how = co_await child_->ended(kExitPatience);
    }
    child_.reset();
    co_return how;
}

asio::awaitable<void> Supervisor::watch_state(std::shared_ptr<Connection> connection) {
    const auto self = shared_from_this();
    milliseconds pause = options_.first_pause;
    for (;;) {
        auto described = co_await connection->call(DescribeRequest{}, steady_clock::now() + options_.hang_timeout);
        if (connection->is_closed()) co_return;
        if (described && !decode_description(described->reveal())) {
            connection->close(hardware_unavailable("The hardware child sent a description that is none."));
            co_return;
        }
        if (described) {
            set_trouble(std::nullopt);
            pause = options_.first_pause;
            probe_.expires_at(steady_clock::time_point::max());
        } else {
            set_trouble(described.error());
            probe_.expires_after(pause);
            const bool is_waited_for = back_.expiry() > steady_clock::now();
            if (!is_waited_for) pause = std::min(pause * 2, options_.longest_pause);
        }
        co_await probe_.async_wait(kAsTuple);
        if (connection->is_closed()) co_return;
    }
}

void Supervisor::set_trouble(std::optional<Error> trouble) {
    if (trouble_ == trouble) return;
    trouble_ = std::move(trouble);
    if (!trouble_) back_.cancel();
    if (changed_) changed_();
}

}  // namespace hwvault::hardware
