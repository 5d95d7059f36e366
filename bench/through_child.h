// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Derivations as hwvaultd has them made: through the daemon's client, the private socket and the hardware child.
#pragma once

#include <chrono>
#include <cstddef>

#include "daemon/hardware/child_process.h"
#include "foundation/bytes.h"

namespace hwvault::bench {

inline const Bytes kContext(120, 1);  // what an issued token's derivation takes, more or less

// Derivations per second with so many in flight, in a child of its own.
double through_child(const hardware::Spawn& child, std::size_t in_flight, std::chrono::nanoseconds time);

}  // namespace hwvault::bench
