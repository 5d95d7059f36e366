// SPDX-License-Identifier: LGPL-2.1-or-later
//
// A small pool of connections to one address, so that calls of several threads run side by side.
//
// At most kMaxConnections are lent at once; who comes later waits, until its deadline. A connection that comes back
// is kept unless it failed; one that died while it lay idle is noticed before it is lent. Thread-safe.
#pragma once

#include <condition_variable>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "libclient/connection.h"

namespace hwvault::libclient {

class Pool {
public:
    // Two dozen callers keep a daemon's two cores busy; more would only count against the caller's quota there.
    static constexpr std::size_t kMaxConnections = 16;

    // A connection on loan. Goes back when the lease ends, if keep() was called, else it is closed.
    class Lease {
    public:
        Lease(Pool& pool, Connection connection) : pool_(&pool), connection_(std::move(connection)) {}
        Lease(Lease&& other) noexcept : pool_(std::exchange(other.pool_, nullptr)), connection_(std::move(other.connection_)) {}
        Lease& operator=(Lease&&) = delete;
        Lease(const Lease&) = delete;
        Lease& operator=(const Lease&) = delete;
        ~Lease();

        Connection& operator*() { return connection_; }
        Connection* operator->() { return &connection_; }
        void keep() { keep_ = true; }

    private:
        Pool* pool_;
        Connection connection_;
        bool keep_{false};
    };

    explicit Pool(std::string address) : address_(std::move(address)) { idle_.reserve(kMaxConnections); }

    // An idle connection that is alive, or a new one. `fresh` takes no idle one: the last was found dead in use, and
    // so are its neighbours, most likely.
    Answer<Lease> lend(Deadline deadline, bool fresh);

    [[nodiscard]] const std::string& address() const { return address_; }

private:
    Answer<std::optional<Connection>> reserve(Deadline deadline, bool fresh);
    void give_back(std::optional<Connection> connection);

    const std::string address_;
    std::mutex mutex_;
    std::condition_variable returned_;
    std::vector<Connection> idle_;
    std::size_t lent_{0};
};

}  // namespace hwvault::libclient
