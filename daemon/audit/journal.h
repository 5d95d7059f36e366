// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Each event in the system's journal, with fields of its own (hwvaultd(8), "JOURNAL"), found by
// `journalctl MESSAGE_ID=...`. The trail is what the store and the files have: the journal is for reading along, a
// message may be lost with it.
#pragma once

#include "daemon/vault/change.h"

namespace hwvault::audit {

constexpr const char* kMessageId = "3cc59e8dd2444f6a9d9369fa331c6a99";

// Nothing where no journal runs, and nothing for a checkpoint. Blocks while the journal does.
void send_to_journal(const vault::EventLink& link);

}  // namespace hwvault::audit
