// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The Store over SQLite: each batch is one transaction that ends with the new head.
#pragma once

#include "daemon/store/head.h"
#include "daemon/store/record_set.h"
#include "daemon/store/store.h"

namespace hwvault::store {

class SqliteStore final : public Store {
public:
    SqliteStore(Connection connection, const SecretBytes& root)
        : connection_(std::move(connection)), keys_(root), records_(connection_, keys_) {}

    // Reads and authenticates everything; nothing else is called before it has succeeded.
    Result<void> load();

    Contents take_contents() override { return std::move(contents_); }
    Result<void> commit(const Batch& batch) override;
    Result<std::optional<Bytes>> read_content(const vault::Id& token) override { return records_.content(token); }
    Result<void> visit_events(const std::function<bool(const vault::EventLink&)>& visit) override;
    Result<void> rebase(std::uint64_t device_epoch, const Batch& batch) override;

private:
    // The head after the batch, but for the records; kInternal when the batch does not follow on this head.
    Result<Head> head_after(const Batch& batch, const EpochState& epoch) const;
    Result<void> write(const Batch& batch, Head next);
    Result<void> renew_doubtful_log();
    Result<void> write_rows(const Batch& batch);
    Result<void> write_change(const vault::Change& change);
    Result<void> write_event(const vault::EventLink& event);

    Connection connection_;  // first, so that it is closed last
    Keys keys_;
    RecordSet records_;
    Statement write_head_;
    Statement insert_event_;
    Head head_;
    bool log_is_doubtful_{false};  // the last commit failed
    Contents contents_;
};

}  // namespace hwvault::store
