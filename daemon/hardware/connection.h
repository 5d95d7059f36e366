// SPDX-License-Identifier: LGPL-2.1-or-later
//
// One connection to the hardware child: requests go out as they come, answers find the call that waits for them.
//
// Every call ends by its deadline, or at once when the connection ends. An answer that comes after its call's
// deadline is dropped. The connection ends itself when the child breaks the protocol, and when the child is hung:
// the oldest request, which the child works on since all before it are answered, stayed so for `hang_timeout`.
// Not thread-safe: everything happens on the executor given, which is one strand.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/steady_timer.hpp>

#include "daemon/hardware/hardware.h"
#include "daemon/hardware/protocol.h"

namespace hwvault::hardware {

using Socket = boost::asio::local::stream_protocol::socket;

class Connection : public std::enable_shared_from_this<Connection> {
public:
    // Reads until the end; the connection lives at least that long.
    static std::shared_ptr<Connection> start(Socket socket, std::chrono::milliseconds hang_timeout);
    // For start(), which makes the shared pointer.
    Connection(Socket socket, std::chrono::milliseconds hang_timeout);

    // kHardwareUnavailable at the deadline and when the connection ends, kBusy when kMaxInFlight requests wait for
    // their answers already, else what the child answers.
    boost::asio::awaitable<Result<SecretBytes>> call(Verb verb, Deadline deadline);

    // Ends every call with `reason`. Only the first reason counts.
    void close(Error reason);
    // Waits for the end, and says why it came.
    boost::asio::awaitable<Error> closed();
    [[nodiscard]] bool is_closed() const { return reason_.has_value(); }

private:
    struct Call {
        explicit Call(const boost::asio::any_io_executor& executor) : done(executor) {}
        boost::asio::steady_timer done;  // expires at the deadline; cancelled when `result` is there
        std::optional<Result<SecretBytes>> result;
    };

    boost::asio::awaitable<void> read();
    [[nodiscard]] bool take_answers();
    void finish(std::uint64_t id, Result<SecretBytes> result);
    void send(const Bytes& frame);
    void write();
    void watch_oldest();

    Socket socket_;
    std::chrono::milliseconds hang_timeout_;
    FrameReader frames_;
    // By id, so the first is the oldest. A call that ended at its deadline stays until it is answered.
    std::map<std::uint64_t, std::shared_ptr<Call>> calls_;
    std::uint64_t last_id_{0};
    std::chrono::steady_clock::time_point oldest_since_;
    boost::asio::steady_timer hang_timer_;
    bool watching_{false};
    Bytes to_write_;
    Bytes being_written_;
    std::optional<Error> reason_;
    boost::asio::steady_timer ended_;  // never expires; cancelled at the end
};

}  // namespace hwvault::hardware
