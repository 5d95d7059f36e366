// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What the child does for each verb that comes over the socket, and what it refuses: Label::kEpoch is its own,
// what a checkpoint signs is built here, and there is no verb that makes a key.
#pragma once

#include "daemon/hardware/child/checkpoint_ledger.h"
#include "daemon/hardware/device.h"
#include "daemon/hardware/protocol.h"

namespace hwvault::hardware::child {

// The payload of the answer, or its error. Blocks for as long as the device does. Thread-safe.
Result<SecretBytes> perform(const Verb& verb, Device& device, CheckpointLedger& ledger);

}  // namespace hwvault::hardware::child
