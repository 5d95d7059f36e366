// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Watch: the present state of what the caller may see, then changes, for as long as the client listens.
//
// The subscription comes before the list, so that nothing falls between: a change made meanwhile is told after
// "state-complete", though the list may show it already.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include <boost/asio/awaitable.hpp>

#include "daemon/doors/varlink/message_stream.h"
#include "daemon/doors/varlink/reply.h"
#include "daemon/service/service.h"
#include "policy/caller.h"

namespace hwvault::doors::varlink {

// Streams until there is a final reply to give, which is an error: the caller may not watch, or fell behind, or the
// vault stops. nullopt when the stream is closed.
boost::asio::awaitable<std::optional<Reply>> stream_changes(service::Service& service, const policy::Caller& caller,
                                                            MessageStream& stream, std::string account);

}  // namespace hwvault::doors::varlink
