// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Accepts clients and keeps their sessions. Whoever is one too many is told Busy in words and closed; when the
// process has no descriptors left it waits a moment instead of asking the kernel again and again.
//
// Not thread-safe: lives on the service's strand.
#pragma once

#include <memory>
#include <unordered_set>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>

#include "daemon/doors/varlink/connections.h"
#include "daemon/doors/varlink/passed_descriptors.h"
#include "daemon/doors/varlink/poller.h"
#include "daemon/doors/varlink/session.h"
#include "daemon/doors/varlink/workspace.h"
#include "os/listening_socket.h"

namespace hwvault::doors::varlink {

class Listener : public std::enable_shared_from_this<Listener> {
public:
    Listener(Session::Rooms rooms, os::ListeningSocket socket, const Limits& limits);

    Result<void> start();
    // Accepts nobody any more, has each session answer what its client has sent and take nothing more, and closes what is
    // left at the drain deadline.
    void stop();
    // After stop(), until the last session has ended.
    boost::asio::awaitable<void> drained();

    [[nodiscard]] std::size_t count() const { return connections_->count(); }

private:
    boost::asio::awaitable<void> run();
    bool accept_some();
    void admit(os::Fd& client);
    void begin(Socket client, Connections::Place place);
    void refuse(const os::Fd& client, const Error& error);
    void tell_of_shortage(int error_number);
    void no_session_is_left();

    Session::Rooms rooms_;
    os::ListeningSocket socket_;
    boost::asio::posix::basic_stream_descriptor<boost::asio::any_io_executor> readiness_;
    boost::asio::steady_timer pause_;  // when descriptors are short; after stop() until the last session has ended
    boost::asio::steady_timer drain_;  // the deadline after stop()
    std::shared_ptr<Connections> connections_;
    std::shared_ptr<Closer> closer_;
    std::shared_ptr<Workspace> workspace_;
    std::shared_ptr<Poller> poller_;
    std::unordered_set<std::shared_ptr<Session>> sessions_;
    bool stopping_{false};
    bool told_of_shortage_{false};
    bool told_of_refusal_{false};
};

}  // namespace hwvault::doors::varlink
