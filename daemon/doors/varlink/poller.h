// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Where connections that verify wait for their client's next call: one epoll(7) set for all of them, beside Asio's own. One
// wake-up tells of all that are ready, their replies are sent together, and none is armed anew for its next wait, which
// Asio does with a system call for each.
//
// Not thread-safe: lives on the service's strand.
#pragma once

#include <array>
#include <cstddef>
#include <memory>
#include <optional>
#include <vector>

#include <sys/epoll.h>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>

#include "daemon/doors/varlink/workspace.h"
#include "foundation/result.h"

namespace hwvault::doors::varlink {

class Poller : public std::enable_shared_from_this<Poller> {
public:
    class Client {
    public:
        virtual ~Client() = default;
        // There is something to read, or the other end is gone, or, now and then, neither. It comes again until that was
        // read, or remove() was called. How many calls were answered. Throws nothing.
        virtual std::size_t on_readable() = 0;
    };
    using Place = std::size_t;

    Poller(const boost::asio::any_io_executor& strand, std::shared_ptr<Workspace> workspace)
        : set_(strand), workspace_(std::move(workspace)) {}

    Result<void> start();
    // Nobody is told any more.
    void close();

    // Watches this descriptor, until remove(). nullopt when the kernel watches no more of them.
    std::optional<Place> add(int fd, Client& client);
    void remove(Place place, int fd);

private:
    void wait();
    void ask();
    void serve();

    boost::asio::posix::basic_stream_descriptor<boost::asio::any_io_executor> set_;
    std::shared_ptr<Workspace> workspace_;
    std::vector<Client*> clients_;  // by place; null: free
    std::vector<Place> free_;
    Place sum_of_taken_{0};  // of one alone, its place
    std::array<epoll_event, 64> ready_{};  // that were found together; those up to next_ had their turn
    std::size_t count_{0};
    std::size_t next_{0};
};

}  // namespace hwvault::doors::varlink
