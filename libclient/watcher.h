// SPDX-License-Identifier: LGPL-2.1-or-later
//
// A stream of what happens to the tokens of an account, over a connection of its own. Not thread-safe.
#pragma once

#include <string>

#include <unistd.h>

#include "libclient/connection.h"
#include "libclient/values.h"

namespace hwvault::libclient {

class Watcher {
public:
    // Connects and asks. Whether the vault agrees is the answer of the first next().
    static Answer<Watcher> open(const std::string& address, const std::string& account, Deadline deadline);

    // The next event. Timeout when none came until `deadline`; after any other failure the watcher has ended.
    Answer<Event> next(Deadline deadline);

    [[nodiscard]] int fd() const { return connection_.fd(); }

private:
    explicit Watcher(Connection connection) : connection_(std::move(connection)) {}

    Connection connection_;
    pid_t process_{::getpid()};
    bool ended_{false};
};

}  // namespace hwvault::libclient
