// SPDX-License-Identifier: LGPL-2.1-or-later
#include "libclient/watcher.h"

#include "libclient/reply.h"
#include "libclient/request.h"

namespace hwvault::libclient {

Answer<Watcher> Watcher::open(const std::string& address, const std::string& account, Deadline deadline) {
    HWVAULT_TRY(const SecretBytes message, Request("Watch").text("account", account).message(true));
    HWVAULT_TRY(Connection connection, Connection::open(address, deadline));
    HWVAULT_CHECK(connection.send(message.reveal(), deadline));
    return Watcher{std::move(connection)};
}

Answer<Event> Watcher::next(Deadline deadline) {
    if (::getpid() != process_) {
        return Failure{HWVAULT_ERROR_INVALID_ARGUMENT,
                       "This watcher was opened by another process. After fork(), open one in the child."};
    }
    if (ended_) return Failure{HWVAULT_ERROR_UNREACHABLE, "The vault ended this watch. Watch anew."};
    const auto message = connection_.receive(deadline);
    if (!message && message.error().code == HWVAULT_ERROR_TIMEOUT) return message.error();
    ended_ = true;
    if (!message) return message.error();
    HWVAULT_TRY(const Reply reply, read_reply(*message));
    HWVAULT_TRY(Event event, read_event(reply));
    ended_ = !reply.continues;
    return event;
}

}  // namespace hwvault::libclient
