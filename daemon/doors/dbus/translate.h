// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Between the contract's D-Bus types and ours: pure, and nothing is added on the way.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "daemon/doors/dbus/sdbus_version.h"
#include "daemon/peer/peer.h"
#include "daemon/service/service.h"
#include "daemon/service/status.h"
#include "daemon/vault/info.h"
#include "daemon/vault/lifecycle.h"
#include "foundation/result.h"
#include "os/fd.h"

namespace hwvault::doors::dbus {

using Dictionary = std::map<std::string, sdbus::Variant>;  // a{sv}

// The a{sv} that Retrieve and Verify answer: the six keys of the brief form alone, or none at all. Written into the message key
// by key: sdbus-c++ makes a message of its own for each value of a Dictionary, which takes three times as long.
struct Brief {
    std::optional<vault::Info> info{};
};
sdbus::Message& operator<<(sdbus::Message& message, const Brief& brief);
// Empty for what is not active.
Brief brief_of(const service::Verification& verified);

Dictionary full_dictionary(const vault::Info& info);
Dictionary status_dictionary(const service::Status& status);

// The a{sv} of Create and Import, read key by key and no further than the first that is wrong: a message may hold two
// million keys, and sdbus-c++ makes a message of a kilobyte for the value of each. kInvalidArgument names the key that
// is unknown, is there twice, is longer than any value there is, or has another type than the contract's.
struct Options {
    Result<vault::CreateOptions> read{vault::CreateOptions{}};
};
sdbus::Message& operator>>(sdbus::Message& message, Options& options);

// The answer of org.freedesktop.DBus.GetConnectionCredentials: UnixUserID, and where the bus gives them UnixGroupIDs,
// ProcessID, ProcessFD. kAccessDenied without a uid: the bus vouches for nobody.
Result<peer::Credentials> credentials_of_bus(const Dictionary& answer);

// org.hwvault.Error.WORD with the sentence.
sdbus::Error error_of(const Error& error);

// Takes the descriptor over, close-on-exec.
os::Fd take_descriptor(sdbus::UnixFd&& descriptor);

}  // namespace hwvault::doors::dbus

template <>
struct sdbus::signature_of<hwvault::doors::dbus::Brief> : sdbus::signature_of<hwvault::doors::dbus::Dictionary> {};
template <>
struct sdbus::signature_of<hwvault::doors::dbus::Options> : sdbus::signature_of<hwvault::doors::dbus::Dictionary> {};
