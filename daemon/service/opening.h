// SPDX-License-Identifier: LGPL-2.1-or-later
//
// From a file and a device to an open vault: nothing is given before the whole set of records, the audit chain and
// the epoch were checked under keys that only this device can derive.
//
// Also the two moments at which an administrator decides: making a new store, and accepting one that is older than
// the device remembers. Runs on the service's strand; the store works on a thread of its own.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/thread_pool.hpp>

#include "crypto/cms.h"
#include "daemon/audit/trail.h"
#include "daemon/hardware/hardware.h"
#include "daemon/index/writer.h"
#include "daemon/service/anti_rollback.h"
#include "daemon/service/last_uses.h"
#include "daemon/store/store.h"
#include "daemon/vault/vault.h"

namespace hwvault::service {

struct OpeningParts {
    boost::asio::thread_pool& store_thread;
    hardware::Hardware& hardware;
    std::filesystem::path store_file;
    vault::Quotas quotas;
    AntiRollback anti_rollback;
    std::filesystem::path recipient_file{};  // [recovery] recipient; empty: a vault without recovery
    std::string administered_by{"hwvault"};  // in sentences: what is typed before `recover`
};

struct Opened {
    std::unique_ptr<store::Store> store;
    std::unique_ptr<vault::Vault> vault;
    std::unique_ptr<index::Writer> index;  // with all of the vault; held by nobody yet
    store::EpochState epochs;
    std::optional<store::DeviceCounter> device;  // none where the device keeps no counter, or nobody is to look at it
    audit::Trail trail{0, {}};
    std::uint64_t audit_written{0};  // the audit files have the entries up to this one
    bool trail_signed{true};         // its last entry is a checkpoint, or there is none
    LastUses last_uses;                          // as the trail tells
    std::vector<store::LastUse> used_elsewhere;  // as the store says of tokens that have no place in the index: of no trust
    vault::UnixTime time_mark{0};
    std::optional<crypto::Digest> on_record;     // the fingerprint of the recovery recipient
    std::optional<crypto::Recipient> recipient;  // the same
    bool all_signed{false};  // the newest checkpoint covers the records as they are
};

// kNotInitialised when there is no store, kHardwareUnavailable, kStoreTampered, kRolledBack naming both epochs;
// kInvalidArgument when the recovery recipient is not the one on record, or no recipient at all.
boost::asio::awaitable<Result<Opened>> open_vault(OpeningParts parts);

// The same but for the recipient, which an administrator may be about to change.
boost::asio::awaitable<Result<Opened>> open_latest(OpeningParts parts);

// What a new store needs of the device that it will be under.
struct NewDevice {
    SecretBytes root;
    std::optional<store::DeviceCounter> counter;  // none where it keeps none
};
boost::asio::awaitable<Result<NewDevice>> new_device(hardware::Hardware& hardware, store::Header header);

// Makes a new, empty store with a random id. kAlreadyExists when there is one: nothing is overwritten.
boost::asio::awaitable<Result<void>> initialise_vault(OpeningParts parts, std::string prefix);

// The public half of the device's signing key, in PEM: what recovery checks the newest checkpoint with.
boost::asio::awaitable<Result<std::string>> signing_key_pem(hardware::Hardware& hardware);

// Tells the device of a store that was made the latest one (store::Store::rebase), so that every store of before, newer
// or older, is behind it. Nothing to do where there is no counter, or nobody looks at it. When it fails the next start of
// hwvaultd does it; until then a store of before may be put in the new one's place.
boost::asio::awaitable<Result<void>> outdate_other_stores(const OpeningParts& parts, store::DeviceCounter counter);

struct Accepted {
    std::uint64_t epoch{0};
    Result<void> device_told;  // outdate_other_stores()
};
// Takes an authentic store that is behind the device as the latest one, and says so in its audit trail. Every issued
// string that lives in it is revoked in the same commit, since which of them were dead nobody knows any more.
// kInvalidArgument when it is not behind.
boost::asio::awaitable<Result<Accepted>> accept_rollback(OpeningParts parts, vault::Event event);

}  // namespace hwvault::service
