// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The records on disk: one SQLite file in WAL mode, every row authenticated, the set held together, the whole
// bound to an epoch (docs/formats/store.md).
//
// open() gives nothing before every row and the set match under keys that come from the device, and the last audit
// event is the one that the head names; the chain behind it is checked by daemon/audit over visit_events().
// Edited, added, dropped, swapped, replayed rows, a foreign or stale `-wal`: kStoreTampered, naming the record
// where that can be known. A schema newer than this program: kInvalidArgument, and the file is left as it was. An
// older complete copy is authentic: that its epoch is behind the device's counter is for the caller to find.
//
// Blocking, and used by one thread at a time: the service runs it on a thread of its own. A commit that fails
// (disk full, I/O error) leaves the store and this object as they were before it; but one that the disk took and did
// not sync may be there after all when a crash comes before the next commit.
#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "crypto/digest.h"
#include "daemon/vault/change.h"
#include "daemon/vault/checkpoint.h"
#include "daemon/vault/record.h"
#include "foundation/result.h"
#include "foundation/secret.h"

namespace hwvault::store {

// What is known of a store before its keys are: enough to ask the device for them. Nothing of it is trusted
// until open() has authenticated it.
struct Header {
    vault::Id vault{};
    std::string prefix;  // of token texts, "hwv_"
    // Of the key that escrows are encrypted to (docs/formats/escrow.md); none in a vault without recovery.
    std::optional<crypto::Digest> recipient{};
};

// A device's counter: which one it is, and where it stands. The identity is empty where a device has but one.
struct DeviceCounter {
    std::uint64_t value{0};
    Bytes identity;
};

// The epoch of the store is `base + steps`; the device's counter must have made as many steps since `origin`.
struct EpochState {
    std::uint64_t base{0};
    std::uint64_t device_origin{0};  // the device's counter when the base was set
    std::uint64_t epoch{0};          // of the last commit that took trust away
    Bytes counter;                   // the identity of the counter that the origin is of: another one proves nothing
    bool unprotected{false};         // something was taken away since, by a commit that has no epoch of its own
    // Where the device's counter must be for this store to be the latest one.
    [[nodiscard]] std::uint64_t device_target() const { return device_origin + (epoch - base); }
};

// Entries of the audit trail that stay in the store once its files have them, so that a lost file can be made again.
constexpr std::uint64_t kEntriesKept = 10'000;

// One atomic commit: the changes in order, their entries of the audit trail, and the head that goes with them.
struct Batch {
    std::vector<vault::Change> changes;
    std::vector<vault::EventLink> events;
    std::uint64_t epoch{0};      // not below the one before
    vault::UnixTime time_mark{0};  // not below the one before
    bool unprotected{false};       // as in EpochState, from this commit on
    // Small, and nothing but trust that is taken away: may use the last of what is kept for a full disk.
    bool urgent{false};
    // What next_checkpoint() gave last, signed: the newest one from here on. Its entry is one of the events.
    std::optional<vault::SignedCheckpoint> checkpoint{};
    // The audit files have the entries up to this one. Those of them that are older than the last kEntriesKept go.
    std::uint64_t audit_written{0};
};

// What open() reads, some at a time, in the order of the file, which has no meaning. None of it is to be believed before
// open() has succeeded.
struct Records {
    std::vector<vault::Account> accounts;
    std::vector<vault::Token> tokens;
    // When each of the tokens was last used, as save_uses() was told; 0: that is not known. Authenticated by nothing, not by
    // open() either, so whoever can write the file can have written it.
    std::vector<vault::UnixTime> used;
    std::uint64_t in_all{0};  // accounts and tokens in the store
};
using TakeRecords = std::function<void(Records)>;

// When a token was last used.
struct LastUse {
    vault::Id token{};
    vault::UnixTime at{0};
    std::uint64_t place{0};  // as place_of() has it
};

// Everything else that open() found, authenticated.
struct Contents {
    EpochState epoch;
    vault::UnixTime time_mark{0};
    std::uint64_t audit_first{1};     // the oldest entry of the audit trail that is still in the store
    std::uint64_t audit_sequence{0};  // the latest; 0 before there is one
    crypto::Digest audit_head{};
    std::uint64_t audit_written{0};   // as in Batch
    std::optional<crypto::Digest> recipient{};
    bool all_signed{false};  // the newest checkpoint covers the records as they are
};

class Store {
public:
    // kNotFound when there is no store: the vault was not initialised, or its file is gone. kBusy while another
    // process has it open; kInvalidArgument and kStoreTampered as above. Both hold for open() too.
    static Result<Header> read_header(const std::filesystem::path& file);
    // Makes a new, empty one, mode 0600; kAlreadyExists when a file is there. `counter` becomes the origin.
    // `root` is what the device derived for Label::kStore over store_context(header).
    static Result<void> create(const std::filesystem::path& file, const Header& header, const SecretBytes& root,
                               const DeviceCounter& counter);
    // Gives a complete one, made elsewhere on the same disk and closed, its place; kAlreadyExists when a file is there.
    static Result<void> move_into_place(const std::filesystem::path& made, const std::filesystem::path& file);
    // `take` gets the records, on this thread; without it they are checked alone.
    static Result<std::unique_ptr<Store>> open(const std::filesystem::path& file, const SecretBytes& root,
                                               const TakeRecords& take = {});
    virtual ~Store() = default;

    // What was loaded; moves it out, so call it once.
    virtual Contents take_contents() = 0;

    // Durable when it returns. kQuotaExceeded when the disk is full, and what was kept for that is used up; kInternal when the batch does not go on from
    // the one before: an epoch, a time mark or an event's sequence that goes back, a record that is not there, another
    // checkpoint than the one that was to be signed.
    virtual Result<void> commit(const Batch& batch) = 0;

    // A token as it was loaded or written last, with its nonces and hashes; kStoreTampered when the row is another. nullopt: there is
    // none.
    virtual Result<std::optional<vault::Token>> read_token(const vault::Id& id) = 0;

    // The sealed bytes of an imported secret, compared with what was loaded or written; kStoreTampered when the
    // row is another. nullopt: it has none.
    virtual Result<std::optional<Bytes>> read_content(const vault::Id& token) = 0;

    // The entries of the audit trail that are in the store and come after number `after`, oldest first, until `visit`
    // returns false.
    virtual Result<void> visit_events(std::uint64_t after, const std::function<bool(const vault::EventLink&)>& visit) = 0;

    // Keeps these over a restart, in a transaction of their own that leaves everything else as it is. A token that is not there
    // (any more) is passed over, and one of which a later use is kept already, if that is not later than `now`. kQuotaExceeded
    // when the disk is full: what is kept for that is not for this.
    virtual Result<void> save_uses(std::span<const LastUse> uses, vault::UnixTime now) = 0;
    // Where a token's use lies in the file: save_uses() writes the fewest pages of those that are neighbours. 0: nowhere.
    [[nodiscard]] virtual std::uint64_t place_of(const vault::Id& token) const = 0;

    // An administrator accepts what is there as the latest, on the record: `batch.epoch`, a new one, is one step of the
    // device's counter away from where that is now. Once the step is made, no store of before is the latest any more.
    virtual Result<void> rebase(const DeviceCounter& counter, const Batch& batch) = 0;

    // An administrator changes the recovery recipient: `batch` writes every escrow anew, encrypted to the key with this
    // fingerprint. None ends recovery: escrows that are left, and the newest checkpoint, go. Open the store again after it.
    virtual Result<void> set_recipient(std::optional<crypto::Digest> recipient, const Batch& batch) = 0;

    // Whether the space is there that is kept for a full disk (reserve.h). Thread-safe.
    [[nodiscard]] virtual bool has_reserve() const = 0;

    // What the device is to sign now, with a sequence of `at_least` this. From here on a change counts as later than
    // this checkpoint, which a batch brings back when it is signed.
    virtual vault::Checkpoint next_checkpoint(std::uint64_t at_least) = 0;
};

// The context of the derivation of the store's root key.
Bytes store_context(const Header& header);

}  // namespace hwvault::store
