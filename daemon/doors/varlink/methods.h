// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The methods of org.hwvault.Vault, but for Watch: each takes its parameters, calls the service, and puts the
// answer into a reply. Nothing is decided here.
#pragma once

#include <string_view>

#include <boost/asio/awaitable.hpp>

#include "daemon/doors/varlink/parameters.h"
#include "daemon/doors/varlink/reply.h"
#include "daemon/peer/peer.h"
#include "daemon/service/service.h"

namespace hwvault::doors::varlink {

struct Method {
    using Function = boost::asio::awaitable<Reply> (*)(service::Service& service, const peer::Identity& who,
                                                       Parameters parameters);

    std::string_view verb;
    // It may wait, for the device, the disk, the name service or its turn: replies to earlier calls are sent first.
    bool waits;
    Function answer;
};

// nullptr when there is none. `who` must outlive the call of answer().
const Method* find_method(std::string_view verb);

}  // namespace hwvault::doors::varlink
