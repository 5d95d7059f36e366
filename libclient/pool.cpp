// SPDX-License-Identifier: LGPL-2.1-or-later
#include "libclient/pool.h"

namespace hwvault::libclient {

Pool::Lease::~Lease() {
    if (pool_ == nullptr) return;
    if (keep_) {
        connection_.forget();
        pool_->give_back(std::move(connection_));
    } else {
        pool_->give_back(std::nullopt);
    }
}

Answer<Pool::Lease> Pool::lend(Deadline deadline, bool fresh) {
    HWVAULT_TRY(std::optional<Connection> idle, reserve(deadline, fresh));
    if (idle) return Lease{*this, std::move(*idle)};
    auto made = Connection::open(address_, deadline);
    if (!made) {
        give_back(std::nullopt);
        return std::move(made).error();
    }
    return Lease{*this, std::move(made).value()};
}

// Takes one of the kMaxConnections places, and an idle connection with it if there is one.
Answer<std::optional<Connection>> Pool::reserve(Deadline deadline, bool fresh) {
    std::unique_lock lock(mutex_);
    if (!returned_.wait_until(lock, deadline, [this] { return lent_ < kMaxConnections; })) {
        return Failure{HWVAULT_ERROR_TIMEOUT, "All connections to the vault at " + address_ +
                                                  " were in use for as long as this call may take."};
    }
    ++lent_;
    if (fresh) idle_.clear();
    while (!idle_.empty()) {
        Connection last = std::move(idle_.back());
        idle_.pop_back();
        if (last.idle()) return std::optional<Connection>(std::move(last));
    }
    return std::optional<Connection>();
}

void Pool::give_back(std::optional<Connection> connection) {
    {
        const std::lock_guard lock(mutex_);
        --lent_;
        if (connection) idle_.push_back(std::move(*connection));
    }
    returned_.notify_one();
}

}  // namespace hwvault::libclient
