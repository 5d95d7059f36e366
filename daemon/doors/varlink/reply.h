// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What a call is answered with (UAPI.20, "Reply"): parameters, or the full name of an error and its parameters.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include <boost/json/object.hpp>

#include "foundation/result.h"
#include "foundation/secret.h"
#include "os/fd.h"

namespace hwvault::doors::varlink {

constexpr std::string_view kServiceInterface = "org.varlink.service";

struct Reply {
    boost::json::object parameters;  // in locked memory
    std::string error;               // empty: a success
    bool continues{false};
    std::vector<os::Fd> descriptors{};  // that go with it
};

// A name that the caller sent, short enough to be sent back, and no token; a character of UTF-8 stays whole.
constexpr std::size_t kMaxEchoedName = 128;  // bytes; the interface's longest name has 27
std::string shortened(std::string_view name);

// An object in locked memory, to put parameters in.
boost::json::object empty_object();

Reply success(boost::json::object parameters = empty_object());
// "org.hwvault.Vault.NotFound", with the message.
Reply failure(const Error& error);

// Those of org.varlink.service. `parameter` names a field of a nested object with its path: "options.scopes".
Reply invalid_parameter(std::string_view parameter);
Reply interface_not_found(std::string_view interface);
Reply method_not_found(std::string_view method);
Reply method_not_implemented(std::string_view method);
Reply expected_more();

// The message that is sent, with its NUL.
SecretBytes message_of(Reply reply);

}  // namespace hwvault::doors::varlink
