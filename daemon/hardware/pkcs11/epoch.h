// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The epoch of a PKCS#11 token: private data objects, each with a number and its MAC under the root key, bound to the token's
// serial. The highest with a right MAC counts. `pin-writable`, not a counter: whoever has the PIN has the use of the root key
// too, and can put any number there.
//
// Two objects take turns: a step writes the next number into the label of the one that does not count, since a label is the one
// thing that may change in an object (PKCS#11 2.40, base specification, section 4.4), and reads it back. The one that counts
// stays as it is until then, so whatever a crash makes of the other, there is one with a right MAC. What was not written by a step,
// and where a token does not change labels, has its number in its value: a new object is there before the old ones go.
// No object, or none with a right MAC, is kRolledBack, never zero.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "daemon/hardware/pkcs11/objects.h"

namespace hwvault::hardware::pkcs11 {

// derive(Label::kEpoch, context) in the same token.
using EpochMac = std::function<Result<SecretBytes>(BytesView context)>;

// Whether the token keeps data objects, and knows which are private; asked by making one and removing it. `session` has write
// access.
Result<bool> keeps_data_objects(const Session& session);

// Whether there is a private epoch object, of whatever content. Others are not looked at: anybody can put them there.
Result<bool> has_epoch(const Session& session);

// What counts, and all epoch objects that are there; the first is the one that counts.
struct Epoch {
    std::uint64_t number{0};
    std::vector<CK_OBJECT_HANDLE> objects;
};
Result<Epoch> read_epoch(const Session& session, const EpochMac& mac);

// The first epoch object. `session` has write access, here and below.
Result<void> make_epoch(const Session& session, std::uint64_t number, const EpochMac& mac);

// How a token takes a step: kNewObject where it was seen to refuse a label, whatever it said, or to keep something else than it was
// given.
enum class StepBy : std::uint8_t { kLabel, kNewObject };

// From `now` to one more, by that way if it can be; the way to take the next time. Success once it is written: what could not be
// removed is lower, and is removed the next time.
Result<StepBy> step_epoch(const Session& session, const Epoch& now, const EpochMac& mac, StepBy way);

}  // namespace hwvault::hardware::pkcs11
