// SPDX-License-Identifier: LGPL-2.1-or-later
//
// org.varlink.service (UAPI.20): what this service is, and the descriptions of its interfaces, which are the
// .varlink files themselves, built in.
#pragma once

#include <string_view>

#include "daemon/doors/varlink/call.h"
#include "daemon/doors/varlink/reply.h"

namespace hwvault::doors::varlink {

// Made by the build from the files of these names.
extern const std::string_view kVaultDescription;    // org.hwvault.Vault.varlink
extern const std::string_view kServiceDescription;  // org.varlink.service.varlink

// Answers a call of org.varlink.service.
Reply introspect(Call call);

}  // namespace hwvault::doors::varlink
