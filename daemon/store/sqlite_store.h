// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The Store over SQLite: each batch is one transaction that ends with the new head.
#pragma once

#include <atomic>
#include <filesystem>

#include "daemon/store/head.h"
#include "daemon/store/record_set.h"
#include "daemon/store/reserve.h"
#include "daemon/store/store.h"

namespace hwvault::store {

class SqliteStore final : public Store {
public:
    SqliteStore(Connection connection, const SecretBytes& root, const std::filesystem::path& file)
        : connection_(std::move(connection)), keys_(root), records_(connection_, keys_), reserve_(file) {}

    // Reads and authenticates everything; nothing else is called before it has succeeded.
    Result<void> load(const TakeRecords& take);

    Contents take_contents() override { return std::move(contents_); }
    Result<void> commit(const Batch& batch) override;
    Result<std::optional<vault::Token>> read_token(const vault::Id& id) override;
    Result<std::optional<Bytes>> read_content(const vault::Id& token) override;
    Result<void> visit_events(std::uint64_t after, const std::function<bool(const vault::EventLink&)>& visit) override;
    Result<void> save_uses(std::span<const LastUse> uses, vault::UnixTime now) override;
    [[nodiscard]] std::uint64_t place_of(const vault::Id& token) const override { return records_.place_of(token); }
    Result<void> rebase(const DeviceCounter& counter, const Batch& batch) override;
    Result<void> set_recipient(std::optional<crypto::Digest> recipient, const Batch& batch) override;
    [[nodiscard]] bool has_reserve() const override { return has_reserve_; }
    vault::Checkpoint next_checkpoint(std::uint64_t at_least) override;

private:
    // The head after the batch, but for the records; kInternal when the batch does not go on from this one.
    Result<Head> head_after(const Batch& batch, const EpochState& epoch) const;
    Result<void> write(const Batch& batch, Head next);
    // One transaction: what `rows` writes, and the head that goes with it. Where the disk is full, once more with the
    // space that was kept for that.
    Result<void> write(Head next, bool urgent, const std::function<Result<void>()>& rows);
    Result<void> try_to_write(Head& next, const std::function<Result<void>()>& rows);
    Result<void> in_transaction(const std::function<Result<void>()>& write);
    void keep_reserve();
    Result<void> begin_signing();
    Result<void> renew_doubtful_log();
    Result<void> write_rows(const Batch& batch, const Head& next);
    Result<void> write_change(const vault::Change& change);
    Result<void> write_token(const vault::TokenWrite& write);
    Result<void> write_event(const vault::EventLink& event);
    Result<void> forget_events_before(std::uint64_t first);

    Connection connection_;  // first, so that it is closed last
    Keys keys_;
    RecordSet records_;
    Statement write_head_;
    Statement insert_event_;
    Statement forget_events_;
    Head head_;
    std::optional<vault::Checkpoint> offered_;  // by next_checkpoint()
    Reserve reserve_;
    std::atomic<bool> has_reserve_{false};
    bool log_is_doubtful_{false};  // the last commit failed
    Contents contents_;
};

}  // namespace hwvault::store
