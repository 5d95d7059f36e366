// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What an administrator does with a vault's recovery while hwvaultd is stopped: bring every token back on a new device,
// and change who can do that (docs/formats/escrow.md). Both are on the audit trail.
//
// Runs on a strand of its own; the store works on a thread of its own.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <boost/asio/awaitable.hpp>

#include "daemon/service/opening.h"
#include "daemon/service/signed_store.h"

namespace hwvault::service {

struct RecoveryOrder {
    std::filesystem::path from;  // the store of the lost device; nothing of it is changed
    SignedStore::Keys keys;
    bool revoke_all{false};  // every issued token gets a new generation
    vault::Event event;      // who did it, for the trail; the rest of it is filled in
};

struct Recovered {
    vault::Checkpoint checkpoint;       // what the store was recovered to
    std::uint64_t strings{0};           // came back as they were
    std::uint64_t replaced{0};          // by revoke_all
    std::uint64_t without_string{0};    // never given out, or revoked; with revoke_all what lived beside it is gone
    std::vector<LeftOut> left_out;
    bool in_escrow{false};              // the new vault has a recovery recipient, too
    bool clock_is_behind{false};        // of what the lost device signed: the vault's time goes on from there
    Result<void> device_told;           // outdate_other_stores()
};

// Makes the store at `parts.store_file` under the device of now. kAlreadyExists when there is one: nothing is overwritten.
// The new store is there when it is complete, or not at all. Else the errors of SignedStore::open().
boost::asio::awaitable<Result<Recovered>> recover_vault(OpeningParts parts, RecoveryOrder order);

struct NewRecipient {
    std::uint64_t strings{0};                   // encrypted anew
    std::optional<crypto::Digest> fingerprint;  // none: the vault has no recovery any more
};
// Encrypts every string to the recipient of `parts`, or to none, in one commit, and has that signed. kInvalidArgument
// when it is the vault's already; the errors of open_vault() otherwise.
boost::asio::awaitable<Result<NewRecipient>> change_recipient(OpeningParts parts, vault::Event event);

}  // namespace hwvault::service
