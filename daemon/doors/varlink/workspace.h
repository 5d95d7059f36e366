// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The memory in which calls that need no wait are read and answered: one for all connections, since they live on one
// strand. A connection has it for one turn, and leaves it wiped.
#pragma once

#include "daemon/doors/varlink/limits.h"
#include "foundation/secret.h"

namespace hwvault::doors::varlink {

struct Workspace {
    SecretBytes input{kSmallBuffer};
    SecretBytes output{kSmallBuffer};
};

}  // namespace hwvault::doors::varlink
