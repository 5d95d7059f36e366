// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Accepts as many connections as are answered at the same time, and puts each into systemd's descriptor store before
// anything else. The others wait in the listening socket's queue: that is systemd's, and a connection in it outlives us.
//
// Not thread-safe: lives on the service's strand.
#pragma once

#include <cstdint>
#include <memory>
#include <string_view>
#include <unordered_set>
#include <vector>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>

#include "daemon/doors/credential/session.h"
#include "os/listening_socket.h"

namespace hwvault::doors::credential {

class Listener : public std::enable_shared_from_this<Listener> {
public:
    Listener(std::shared_ptr<Parts> parts, os::ListeningSocket socket);

    // Refuses what was left, and accepts.
    Result<void> start(std::vector<Left> left);
    void set_mapping(Mapping mapping) { parts_->mapping = std::move(mapping); }
    void stop();
    boost::asio::awaitable<void> drained();

    [[nodiscard]] std::size_t count() const { return sessions_.size(); }

private:
    boost::asio::awaitable<void> run();
    bool accept_one();
    void tell_of_shortage(std::string_view why);
    void begin(os::Fd connection, std::string name, Session::Kind kind);
    void ended(const std::shared_ptr<Session>& session);

    std::shared_ptr<Parts> parts_;
    os::ListeningSocket socket_;
    boost::asio::posix::basic_stream_descriptor<boost::asio::any_io_executor> readiness_;
    boost::asio::steady_timer room_;   // cancelled when a session ends
    boost::asio::steady_timer drain_;  // after stop()
    std::unordered_set<std::shared_ptr<Session>> sessions_;
    std::uint64_t next_number_{1};
    bool stopping_{false};
    bool told_of_shortage_{false};
};

}  // namespace hwvault::doors::credential
