// SPDX-License-Identifier: LGPL-2.1-or-later
#include "daemon/store/sqlite_store.h"

#include <algorithm>

#include "daemon/store/codec.h"
#include "daemon/store/database.h"
#include "daemon/store/load.h"

namespace hwvault::store {
namespace {

Error defect(std::string_view what) {
    return {ErrorCode::kInternal, std::string(what) + " Nothing was changed. Report this as a defect."};
}

std::optional<BytesView> view_of(const std::optional<Bytes>& bytes) {
    return bytes ? std::optional<BytesView>{*bytes} : std::nullopt;
}

// Nothing is written that would be refused when it is loaded.
Result<Bytes> encode_checked(const vault::Account& account) {
    Bytes body = encode(account);
    if (!decode_account(body)) return defect("An account is outside the limits of its record.");
    return body;
}
Result<Bytes> encode_checked(const vault::Token& token) {
    Bytes body = encode(token);
    if (!decode_token(body)) return defect("A token is outside the limits of its record.");
    return body;
}

}  // namespace

Result<void> SqliteStore::load() {
    HWVAULT_TRY(Loaded loaded, store::load(connection_, keys_, records_));
    head_ = std::move(loaded.head);
    contents_ = std::move(loaded.contents);
    HWVAULT_CHECK(records_.prepare());
    HWVAULT_TRY(write_head_, prepare_head_write(connection_));
    HWVAULT_TRY(insert_event_, connection_.prepare("INSERT INTO events (sequence, body, hash) VALUES (?, ?, ?)"));
    accept(connection_);
    return {};
}

Result<void> SqliteStore::commit(const Batch& batch) {
    EpochState epoch = head_.epoch;
    epoch.epoch = batch.epoch;
    HWVAULT_TRY(Head next, head_after(batch, epoch));
    return write(batch, std::move(next));
}

Result<void> SqliteStore::rebase(std::uint64_t device_epoch, const Batch& batch) {
    const EpochState epoch{.base = batch.epoch, .device_origin = device_epoch, .epoch = batch.epoch};
    HWVAULT_TRY(Head next, head_after(batch, epoch));
    return write(batch, std::move(next));
}

Result<Head> SqliteStore::head_after(const Batch& batch, const EpochState& epoch) const {
    if (epoch.epoch < head_.epoch.epoch) return defect("A commit would set the epoch back.");
    if (batch.time_mark < head_.time_mark) return defect("A commit would set the time mark back.");
    Head next = head_;
    next.epoch = epoch;
    next.time_mark = batch.time_mark;
    for (const vault::EventLink& event : batch.events) {
        if (event.sequence != ++next.audit_sequence) return defect("An audit event is out of order.");
        next.audit_head = event.hash;
    }
    return next;
}

Result<void> SqliteStore::write(const Batch& batch, Head next) {
    HWVAULT_CHECK(renew_doubtful_log());
    HWVAULT_TRY(Transaction transaction, Transaction::begin(connection_));
    auto written = write_rows(batch);
    if (written) {
        next.count = records_.count();
        next.sum = records_.sum();
        written = write_head(write_head_, next, keys_.head_mac(authenticated_bytes(next)));
    }
    if (written) {
        written = transaction.commit();
        log_is_doubtful_ = !written;
    }
    if (!written) {
        records_.discard();
        return written;
    }
    records_.keep();
    head_ = std::move(next);
    return {};
}

// A commit that failed when the disk was to sync it has left its frames in the log, whole ones. The next commit, if it
// is shorter, would leave the rest of them behind its own: after a crash they look like commits that were lost.
Result<void> SqliteStore::renew_doubtful_log() {
    if (!log_is_doubtful_) return {};
    HWVAULT_CHECK(renew_log(connection_));
    log_is_doubtful_ = false;
    return {};
}

Result<void> SqliteStore::write_rows(const Batch& batch) {
    for (const vault::Change& change : batch.changes) HWVAULT_CHECK(write_change(change));
    for (const vault::EventLink& event : batch.events) HWVAULT_CHECK(write_event(event));
    return {};
}

Result<void> SqliteStore::write_change(const vault::Change& change) {
    for (const auto& [account, erase] : change.accounts) {
        if (erase) {
            HWVAULT_CHECK(records_.erase(account.id));
            continue;
        }
        HWVAULT_TRY(const Bytes body, encode_checked(account));
        HWVAULT_CHECK(records_.put(Kind::kAccount, account.id, body, std::nullopt));
    }
    for (const auto& [token, erase, sealed_content] : change.tokens) {
        if (erase) {
            HWVAULT_CHECK(records_.erase(token.id));
            continue;
        }
        HWVAULT_TRY(const Bytes body, encode_checked(token));
        HWVAULT_CHECK(records_.put(Kind::kToken, token.id, body, view_of(sealed_content)));
    }
    return {};
}

Result<void> SqliteStore::write_event(const vault::EventLink& event) {
    Cursor cursor{insert_event_};
    return cursor.bind(event.sequence).bind(BytesView{event.body}).bind(BytesView{event.hash}).run();
}

Result<void> SqliteStore::visit_events(const std::function<bool(const vault::EventLink&)>& visit) {
    HWVAULT_TRY(const Statement statement,
                connection_.prepare("SELECT sequence, body, hash FROM events ORDER BY sequence"));
    Cursor cursor{statement};
    for (std::uint64_t sequence = 1; sequence <= head_.audit_sequence; ++sequence) {
        HWVAULT_TRY(const bool found, cursor.next());
        const auto body = found ? cursor.blob(1) : std::nullopt;
        const auto hash = found ? cursor.blob(2) : std::nullopt;
        if (!body || !hash || hash->size() != crypto::kDigestSize || cursor.number(0) != sequence) {
            return tampered("event " + std::to_string(sequence) + " of its audit trail is missing.");
        }
        vault::EventLink link{sequence, Bytes(body->begin(), body->end()), {}};
        std::copy(hash->begin(), hash->end(), link.hash.begin());
        if (!visit(link)) return {};
    }
    return {};
}

}  // namespace hwvault::store
