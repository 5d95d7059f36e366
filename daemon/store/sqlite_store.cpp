// SPDX-License-Identifier: LGPL-2.1-or-later
#include "daemon/store/sqlite_store.h"

#include <algorithm>

#include "daemon/store/codec.h"
#include "daemon/store/database.h"
#include "daemon/store/load.h"

namespace hwvault::store {
namespace {

// Entries of the trail that one commit drops, besides as many as it adds, at most.
constexpr std::uint64_t kForgottenAtOnce = 1'000;

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
    const auto read = decode_token(body);
    if (!read) return defect("A token is outside the limits of its record.");
    if (*read != token) return defect("A token would be read otherwise than it was written.");
    return body;
}

std::optional<vault::Token> token_in(const std::optional<Record>& record) {
    return record && record->kind == Kind::kToken ? decode_token(record->body) : std::nullopt;
}

// Generations that were there before come without what a vault does not keep of them.
vault::Token completed(vault::Token token, const std::optional<vault::Token>& before) {
    if (!before) return token;
    for (vault::Generation& generation : token.generations) {
        const auto same = std::ranges::find(before->generations, generation.id, &vault::Generation::id);
        if (same == before->generations.end()) continue;
        if (!generation.nonce) generation.nonce = same->nonce;
        if (!generation.hash) generation.hash = same->hash;
    }
    return token;
}

// Here, where no plan can forget it: what opens with the recovery key is the current generation's, and no dead one's.
bool escrow_stays(const std::optional<vault::Token>& before, const vault::Token& after) {
    return !after.revoked && before && before->current().id == after.current().id;
}

}  // namespace

Result<void> SqliteStore::load(const TakeRecords& take) {
    HWVAULT_CHECK(records_.prepare());
    HWVAULT_TRY(Loaded loaded, store::load(connection_, keys_, records_, take));
    head_ = std::move(loaded.head);
    contents_ = std::move(loaded.contents);
    HWVAULT_TRY(write_head_, prepare_head_write(connection_));
    HWVAULT_TRY(insert_event_, connection_.prepare("INSERT INTO events (sequence, body, hash) VALUES (?, ?, ?)"));
    HWVAULT_TRY(forget_events_, connection_.prepare("DELETE FROM events WHERE sequence < ?"));
    HWVAULT_CHECK(begin_signing());
    accept(connection_);
    keep_reserve();
    return {};
}

Result<void> SqliteStore::begin_signing() {
    if (!head_.header.recipient) return {};
    HWVAULT_CHECK(records_.begin_signing(head_.checkpoint ? head_.checkpoint->checkpoint.sequence : 0));
    contents_.all_signed =
        head_.checkpoint && head_.checkpoint->checkpoint.escrow_set == records_.set_digest(head_.header);
    return {};
}

Result<void> SqliteStore::commit(const Batch& batch) {
    EpochState epoch = head_.epoch;
    epoch.epoch = batch.epoch;
    epoch.unprotected = batch.unprotected;
    HWVAULT_TRY(Head next, head_after(batch, epoch));
    return write(batch, std::move(next));
}

Result<void> SqliteStore::rebase(const DeviceCounter& counter, const Batch& batch) {
    if (batch.epoch <= head_.epoch.epoch) return defect("What is accepted as the latest store needs a new epoch.");
    const EpochState epoch{.base = batch.epoch - 1,
                           .device_origin = counter.value,
                           .epoch = batch.epoch,
                           .counter = counter.identity,
                           .unprotected = false};
    HWVAULT_TRY(Head next, head_after(batch, epoch));
    return write(batch, std::move(next));
}

Result<void> SqliteStore::set_recipient(std::optional<crypto::Digest> recipient, const Batch& batch) {
    EpochState epoch = head_.epoch;
    epoch.epoch = batch.epoch;
    HWVAULT_TRY(Head next, head_after(batch, epoch));
    // One without records says nothing of them, and one with records nothing of a time in which there were no images.
    if (!recipient || !head_.header.recipient) next.checkpoint.reset();
    next.header.recipient = recipient;
    if (recipient) return write(batch, std::move(next));
    return write(next, batch.urgent, [&]() -> Result<void> {
        HWVAULT_CHECK(write_rows(batch, next));
        return connection_.execute("DELETE FROM images");
    });
}

vault::Checkpoint SqliteStore::next_checkpoint(std::uint64_t at_least) {
    const bool with_records = head_.header.recipient.has_value();
    std::uint64_t newest = head_.checkpoint ? head_.checkpoint->checkpoint.sequence : 0;
    if (offered_) newest = std::max(newest, offered_->sequence);
    const std::uint64_t following = with_records ? records_.images().round() : newest + 1;
    vault::Checkpoint next{.sequence = std::max(following, at_least),
                           .previous = {},
                           .audit_head = head_.audit_head,
                           .epoch = head_.epoch.epoch,
                           .escrow_set = {}};
    if (with_records) next.escrow_set = records_.set_digest(head_.header);
    if (head_.checkpoint) next.previous = crypto::sha256(vault::checkpoint_message(head_.checkpoint->checkpoint));
    if (with_records) records_.images().begin_round(next.sequence + 1);
    offered_ = next;
    return next;
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
    if (batch.audit_written > head_.audit_sequence) return defect("The audit files are said to have what was not written.");
    next.audit_written = std::max(head_.audit_written, batch.audit_written);
    if (next.audit_written >= next.audit_first + kEntriesKept) {
        const std::uint64_t most = next.audit_first + batch.events.size() + kForgottenAtOnce;
        next.audit_first = std::min(next.audit_written - kEntriesKept + 1, most);
    }
    if (batch.checkpoint) {
        if (batch.checkpoint->checkpoint != offered_) return defect("A checkpoint is not the one that was asked for.");
        next.checkpoint = batch.checkpoint;
    }
    return next;
}

Result<void> SqliteStore::write(const Batch& batch, Head next) {
    return write(next, batch.urgent, [&] { return write_rows(batch, next); });
}

Result<void> SqliteStore::write(Head next, bool urgent, const std::function<Result<void>()>& rows) {
    for (;;) {
        const Result<void> written = try_to_write(next, rows);
        const bool full = !written && written.error().code == ErrorCode::kQuotaExceeded;
        if (full && reserve_.give_up(urgent)) continue;
        keep_reserve();
        if (written) head_ = std::move(next);
        return written;
    }
}

void SqliteStore::keep_reserve() {
    reserve_.keep();
    has_reserve_ = reserve_.whole();
}

Result<void> SqliteStore::try_to_write(Head& next, const std::function<Result<void>()>& rows) {
    const Result<void> written = in_transaction([&]() -> Result<void> {
        HWVAULT_CHECK(rows());
        next.count = records_.count();
        next.sum = records_.sum();
        return write_head(write_head_, next, keys_.head_mac(authenticated_bytes(next)));
    });
    if (!written) {
        records_.discard();
        return written;
    }
    records_.keep();
    return {};
}

Result<void> SqliteStore::in_transaction(const std::function<Result<void>()>& write) {
    HWVAULT_CHECK(renew_doubtful_log());
    HWVAULT_TRY(Transaction transaction, Transaction::begin(connection_));
    HWVAULT_CHECK(write());
    const Result<void> committed = transaction.commit();
    log_is_doubtful_ = !committed;
    return committed;
}

Result<void> SqliteStore::save_uses(std::span<const LastUse> uses, vault::UnixTime now) {
    return in_transaction([&]() -> Result<void> {
        for (const LastUse& use : uses) HWVAULT_CHECK(records_.save_use(use.token, use.at, now));
        return {};
    });
}

// A commit that failed when the disk was to sync it has left its frames in the log, whole ones. The next commit, if it
// is shorter, would leave the rest of them behind its own: after a crash they look like commits that were lost.
Result<void> SqliteStore::renew_doubtful_log() {
    if (!log_is_doubtful_) return {};
    HWVAULT_CHECK(renew_log(connection_));
    log_is_doubtful_ = false;
    return {};
}

Result<void> SqliteStore::write_rows(const Batch& batch, const Head& next) {
    for (const vault::Change& change : batch.changes) HWVAULT_CHECK(write_change(change));
    for (const vault::EventLink& event : batch.events) HWVAULT_CHECK(write_event(event));
    if (next.audit_first != head_.audit_first) HWVAULT_CHECK(forget_events_before(next.audit_first));
    if (batch.checkpoint && next.header.recipient) {
        HWVAULT_CHECK(records_.images().drop(batch.checkpoint->checkpoint.sequence));
    }
    return {};
}

Result<void> SqliteStore::write_change(const vault::Change& change) {
    for (const auto& [account, erase] : change.accounts) {
        if (erase) {
            HWVAULT_CHECK(records_.erase(account.id));
            continue;
        }
        HWVAULT_TRY(const Bytes body, encode_checked(account));
        HWVAULT_TRY(const std::optional<Record> before, records_.read(account.id));
        HWVAULT_CHECK(records_.put({.kind = Kind::kAccount, .id = account.id, .body = body}, before));
    }
    for (const vault::TokenWrite& write : change.tokens) HWVAULT_CHECK(write_token(write));
    return {};
}

Result<void> SqliteStore::write_token(const vault::TokenWrite& write) {
    if (write.erase) return records_.erase(write.token.id);
    HWVAULT_TRY(const std::optional<Record> before, records_.read(write.token.id));
    const std::optional<vault::Token> token_before = token_in(before);
    const vault::Token token = completed(write.token, token_before);
    HWVAULT_TRY(const Bytes body, encode_checked(token));
    NewRecord record{.kind = Kind::kToken,
                     .id = token.id,
                     .body = body,
                     .content = view_of(write.sealed_content),
                     .escrow = view_of(write.escrow)};
    if (!write.escrow && !escrow_stays(token_before, token)) record.escrow = BytesView{};
    return records_.put(record, before);
}

Result<void> SqliteStore::write_event(const vault::EventLink& event) {
    Cursor cursor{insert_event_};
    return cursor.bind(event.sequence).bind(BytesView{event.body}).bind(BytesView{event.hash}).run();
}

Result<void> SqliteStore::forget_events_before(std::uint64_t first) {
    return Cursor{forget_events_}.bind(first).run();
}

Result<std::optional<vault::Token>> SqliteStore::read_token(const vault::Id& id) {
    HWVAULT_TRY(const std::optional<Record> record, records_.read(id));
    return token_in(record);
}

Result<std::optional<Bytes>> SqliteStore::read_content(const vault::Id& token) {
    HWVAULT_TRY(std::optional<Record> record, records_.read(token));
    if (!record) return defect("The content of a record is asked for that the store does not have.");
    return std::move(record->content);
}

Result<void> SqliteStore::visit_events(std::uint64_t after,
                                       const std::function<bool(const vault::EventLink&)>& visit) {
    HWVAULT_TRY(const Statement statement,
                connection_.prepare("SELECT sequence, body, hash FROM events WHERE sequence > ? ORDER BY sequence"));
    Cursor cursor{statement};
    cursor.bind(after);
    for (std::uint64_t sequence = std::max(after + 1, head_.audit_first); sequence <= head_.audit_sequence; ++sequence) {
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
