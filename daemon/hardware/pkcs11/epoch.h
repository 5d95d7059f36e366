// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The epoch of a PKCS#11 token: a private data object that holds a number and its MAC under the root key, bound to
// the token's serial. `pin-writable`, not a counter: whoever has the PIN can put an old object back, and no more.
//
// A step writes the new object before the old one goes, so a crash in between leaves both: the highest with a right
// MAC counts, and the next step removes the others. No object, or none with a right MAC, is kRolledBack, never zero.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "daemon/hardware/pkcs11/objects.h"

namespace hwvault::hardware::pkcs11 {

// derive(Label::kEpoch, context) in the same token.
using EpochMac = std::function<Result<SecretBytes>(BytesView context)>;

// Whether the token keeps data objects; asked by making one and removing it. `session` has write access.
Result<bool> keeps_data_objects(const Session& session);

// Whether there is an epoch object, of whatever content.
Result<bool> has_epoch(const Session& session);

// What counts, and all epoch objects that are there.
struct Epoch {
    std::uint64_t number{0};
    std::vector<CK_OBJECT_HANDLE> objects;
};
Result<Epoch> read_epoch(const Session& session, const EpochMac& mac);

// Writes `number` and then removes `others`, every epoch object that was there. Success once it is written: what could not be
// removed is lower, and is removed the next time. `session` has write access.
Result<void> write_epoch(const Session& session, std::uint64_t number, const EpochMac& mac,
                         const std::vector<CK_OBJECT_HANDLE>& others);

}  // namespace hwvault::hardware::pkcs11
