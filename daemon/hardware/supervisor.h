// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Keeps one connection to a hardware child that works: starts the child (development) or connects to its socket
// (systemd), and does so again, with growing pauses, each time it dies, hangs or breaks the protocol. A child
// that it started is killed before another is started: two never hold the device at once.
//
// A child that is started again at once, as in an upgrade, is not noticed by who calls: for restart_patience, and no longer
// than its deadline, a call waits for the next connection, and one that was under way is asked again there, once.
//
// Whether the device works is learnt by asking the child to describe it: after each connect, when a call ended in
// doubt, and from time to time until it does: often while calls wait. Not thread-safe: everything happens on one
// strand, which it never blocks.
#pragma once

#include <chrono>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <variant>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/steady_timer.hpp>

#include "daemon/hardware/child_process.h"
#include "daemon/hardware/connection.h"
#include "daemon/hardware/hardware.h"

namespace hwvault::hardware {

// A child that systemd runs: the path of its socket.
struct Connect {
    std::filesystem::path path;
};

struct Options {
    std::variant<Spawn, Connect> child;
    // A request without an answer for this long, while the child works on nothing older, means that it hangs.
    std::chrono::milliseconds hang_timeout{5'000};
    // The pause before the child is started again: doubled each time, back to the first after it served a while.
    std::chrono::milliseconds first_pause{50};
    std::chrono::milliseconds longest_pause{5'000};
    std::chrono::milliseconds served_a_while{10'000};
    // How long a connection may be lost until calls are told.
    std::chrono::milliseconds restart_patience{2'000};
};

class Supervisor : public std::enable_shared_from_this<Supervisor> {
public:
    static std::shared_ptr<Supervisor> start(const boost::asio::any_io_executor& executor, Options options);
    // For start(), which makes the shared pointer.
    Supervisor(const boost::asio::any_io_executor& executor, Options options);

    // A checkpoint is never asked for twice, since its sequence is taken by the first time.
    boost::asio::awaitable<Result<SecretBytes>> call(Verb verb, Deadline deadline);

    // Why the device cannot be used; nullopt when it can.
    [[nodiscard]] const std::optional<Error>& trouble() const { return trouble_; }
    void on_change(std::function<void()> changed) { changed_ = std::move(changed); }

    // Ends the connection, every call, and the child that was started; nothing is started again.
    void end();
    // The same, and waits until the child is gone, kStopPatience at most.
    boost::asio::awaitable<void> stop();

private:
    boost::asio::awaitable<void> run();
    boost::asio::awaitable<Result<Socket>> open_socket();
    boost::asio::awaitable<Result<Socket>> connect(const Connect& connect);
    Result<Socket> spawn(const Spawn& spawn);
    boost::asio::awaitable<void> serve(Socket socket);
    boost::asio::awaitable<std::string> end_child();
    boost::asio::awaitable<void> watch_state(std::shared_ptr<Connection> connection);
    boost::asio::awaitable<bool> usable_other_than(std::shared_ptr<Connection> lost, Deadline deadline);
    void set_trouble(std::optional<Error> trouble);

    boost::asio::any_io_executor executor_;
    Options options_;
    std::optional<ChildProcess> child_;
    std::shared_ptr<Connection> connection_;
    std::optional<Error> trouble_;
    std::function<void()> changed_;
    boost::asio::steady_timer pause_;     // between two children
    boost::asio::steady_timer back_;      // expires restart_patience after a loss; cancelled when the device works again
    boost::asio::steady_timer probe_;     // between two questions how the device is
    boost::asio::steady_timer finished_;  // never expires; cancelled when run() ends
    bool stopping_{false};
    bool running_{true};
};

}  // namespace hwvault::hardware
