// SPDX-License-Identifier: LGPL-2.1-or-later
//
// A call as it arrives (UAPI.20, "Call"). Pure; tests/fuzz/varlink_message.cpp feeds it.
#pragma once

#include <string>
#include <string_view>

#include <boost/json/object.hpp>

#include "foundation/bytes.h"
#include "foundation/result.h"

namespace hwvault::doors::varlink {

struct Call {
    std::string method;              // "org.hwvault.Vault.Retrieve"
    boost::json::object parameters;  // in locked memory; empty when there were none
    bool oneway{false};
    bool more{false};
    bool upgrade{false};

    [[nodiscard]] std::string_view interface() const;  // "org.hwvault.Vault"
    [[nodiscard]] std::string_view verb() const;       // "Retrieve"
};

// kInvalidArgument for what is no call at all: UAPI.20 has the connection closed after it.
Result<Call> read_call(BytesView message);

}  // namespace hwvault::doors::varlink
