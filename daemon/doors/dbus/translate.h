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
#include "daemon/service/status.h"
#include "daemon/vault/info.h"
#include "daemon/vault/lifecycle.h"
#include "foundation/result.h"
#include "os/fd.h"

namespace hwvault::doors::dbus {

using Dictionary = std::map<std::string, sdbus::Variant>;  // a{sv}

// Retrieve and Verify give the six keys of the brief form alone.
Dictionary brief_dictionary(const vault::Info& info);
Dictionary full_dictionary(const vault::Info& info);
Dictionary status_dictionary(const service::Status& status);

// kInvalidArgument names the key that is unknown or has another type than the contract's.
Result<vault::CreateOptions> options_of(const Dictionary& options);

// The answer of org.freedesktop.DBus.GetConnectionCredentials: UnixUserID, and where the bus gives them UnixGroupIDs,
// ProcessID, ProcessFD. kAccessDenied without a uid: the bus vouches for nobody.
Result<peer::Credentials> credentials_of_bus(const Dictionary& answer);

// org.hwvault.Error.WORD with the sentence.
sdbus::Error error_of(const Error& error);

// Takes the descriptor over, close-on-exec.
os::Fd take_descriptor(sdbus::UnixFd&& descriptor);

}  // namespace hwvault::doors::dbus
