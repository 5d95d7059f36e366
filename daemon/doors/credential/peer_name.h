// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What systemd says by the name of its own socket when it connects for a credential (LoadCredential= in
// systemd.exec(5)): `\0HEX/unit/UNIT/CREDENTIAL`, where HEX is a random number of up to 64 bits.
//
// Whoever likes can bind such a name: it is a claim, and believed only from uid 0 in the unit's own control group. The
// grammar is strict, so that what passes can stand in a log, in a rule and in a line of the journal.
#pragma once

#include <optional>
#include <string_view>

#include "daemon/doors/credential/mapping.h"
#include "foundation/result.h"

namespace hwvault::doors::credential {

// As systemd has it: a file's name, printable ASCII without ':', at most kMaxCredentialNameSize.
bool is_credential_name(std::string_view text);

// The name as the kernel gives it, with its zero byte in front; nullopt when it is not of that form.
std::optional<Place> parse_peer_name(std::string_view name);

// What the peer of a connected Unix socket claims. kInvalidArgument, without a word of what it said, when it is not of
// the form; kInternal when the kernel does not say.
Result<Place> claim_of(int socket);

}  // namespace hwvault::doors::credential
