// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The store's one-row table `head`: what holds for the store as a whole, and the MAC that binds it to the set of
// records, to the last audit event and to the epoch.
#pragma once

#include "daemon/store/authentication.h"
#include "daemon/store/handles.h"
#include "daemon/store/store.h"

namespace hwvault::store {

struct Head {
    Header header;
    EpochState epoch;
    std::uint64_t count{0};  // of records
    SetSum sum;
    std::uint64_t audit_first{1};  // these four: as in Contents
    std::uint64_t audit_sequence{0};
    crypto::Digest audit_head{};
    std::uint64_t audit_written{0};
    vault::UnixTime time_mark{0};
    std::optional<vault::SignedCheckpoint> checkpoint;  // the newest
};

// What the MAC is over.
Bytes authenticated_bytes(const Head& head);

struct StoredHead {
    Head head;
    crypto::Digest mac{};
};
// As it is in the file, not yet authenticated. kStoreTampered unless there is exactly one that can be read.
Result<StoredHead> read_head(const Connection& connection);
Result<void> write_head(const Statement& statement, const Head& head, const crypto::Digest& mac);
Result<Statement> prepare_head_write(const Connection& connection);

}  // namespace hwvault::store
