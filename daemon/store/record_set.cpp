// SPDX-License-Identifier: LGPL-2.1-or-later
#include "daemon/store/record_set.h"

#include <algorithm>
#include <cstring>
#include <utility>

namespace hwvault::store {
namespace {

Error unknown_record() {
    return {ErrorCode::kInternal, "A change names a record that the store does not have. Report this as a defect."};
}

// SQLite finds a row by its number alone, so exactly one must have been touched.
Result<void> one_row_changed(const Connection& connection) {
    if (sqlite3_changes64(connection.get()) == 1) return {};
    return tampered("a record that was there has gone while hwvaultd was running.");
}

std::optional<Bytes> copy_of(const std::optional<BytesView>& bytes) {
    return bytes ? std::optional{Bytes(bytes->begin(), bytes->end())} : std::nullopt;
}

std::optional<BytesView> view_of(const std::optional<Bytes>& bytes) {
    return bytes ? std::optional<BytesView>{*bytes} : std::nullopt;
}

}  // namespace

std::optional<StoredRow> parse_row(const Cursor& cursor) {
    const auto number = cursor.number(0);
    const auto kind = cursor.number(1);
    const auto id = cursor.blob(2);
    const auto version = cursor.number(3);
    const auto body = cursor.blob(4);
    const auto content = cursor.blob(5);
    const auto mac = cursor.blob(6);
    const auto escrow = cursor.blob(7);
    if (!number || !kind || !id || !version || !body || !mac || (!content && !cursor.is_null(5))) return std::nullopt;
    if (!is_kind(*kind) || (!escrow && !cursor.is_null(7))) return std::nullopt;
    StoredRow stored;
    if (id->size() != stored.row.id.size() || mac->size() != stored.mac.size()) return std::nullopt;
    stored.number = *number;
    stored.row = Row{static_cast<Kind>(*kind), {}, *version, *body, content, escrow};
    std::copy(id->begin(), id->end(), stored.row.id.begin());
    std::copy(mac->begin(), mac->end(), stored.mac.begin());
    return stored;
}

std::size_t RecordSet::IdHash::operator()(const vault::Id& id) const noexcept {
    std::size_t hash = 0;
    std::memcpy(&hash, id.data(), sizeof hash);
    return hash;
}

Result<void> RecordSet::prepare() {
    HWVAULT_TRY(insert_, connection_.prepare("INSERT INTO records (kind, id, version, body, content, mac, escrow)"
                                             " VALUES (?, ?, ?, ?, ?, ?, ?)"));
    HWVAULT_TRY(update_, connection_.prepare("UPDATE records SET kind = ?, id = ?, version = ?, body = ?, content = ?,"
                                             " mac = ?, escrow = ? WHERE row = ?"));
    HWVAULT_TRY(erase_, connection_.prepare("DELETE FROM records WHERE row = ?"));
    HWVAULT_TRY(select_, connection_.prepare(std::string(kSelectRows) + " WHERE row = ?"));
    return {};
}

bool RecordSet::know(const StoredRow& stored, const crypto::Digest& hash) {
    const Entry entry{stored.number, stored.row.version, hash, stored.row.content.has_value(),
                      stored.row.escrow.has_value()};
    if (!entries_.emplace(stored.row.id, entry).second) return false;
    replace_term(stored.row.id, nullptr, &entry);
    kept_count_ = count_;
    kept_sum_ = sum_;
    return true;
}

Result<void> RecordSet::begin_signing(std::uint64_t newest) {
    HWVAULT_CHECK(images_.begin(newest));
    digest_.emplace();
    for (const auto& [id, entry] : entries_) digest_->put(id, entry.hash);
    return {};
}

const RecordSet::Entry* RecordSet::find(const vault::Id& id) const {
    if (const auto change = provisional_.find(id); change != provisional_.end()) {
        return change->second ? &*change->second : nullptr;
    }
    const auto entry = entries_.find(id);
    return entry != entries_.end() ? &entry->second : nullptr;
}

void RecordSet::replace_term(const vault::Id& id, const Entry* before, const Entry* after) {
    if (before != nullptr) {
        sum_.subtract(keys_.term(id, before->version, before->hash));
        --count_;
    }
    if (after != nullptr) {
        sum_.add(keys_.term(id, after->version, after->hash));
        ++count_;
    }
}

Result<RecordSet::Entry> RecordSet::write(const Row& row, const Entry* before) {
    const RowTag tag = keys_.tag(row);
    Cursor cursor{before != nullptr ? update_ : insert_};
    cursor.bind(static_cast<std::uint64_t>(row.kind)).bind(BytesView{row.id}).bind(row.version).bind(row.body);
    cursor.bind(row.content).bind(BytesView{tag.mac}).bind(row.escrow);
    if (before != nullptr) cursor.bind(before->number);
    HWVAULT_CHECK(cursor.run());
    HWVAULT_CHECK(one_row_changed(connection_));
    const auto number = before != nullptr ? before->number
                                          : static_cast<std::uint64_t>(sqlite3_last_insert_rowid(connection_.get()));
    return Entry{number, row.version, tag.hash, row.content.has_value(), row.escrow.has_value()};
}

Result<RecordSet::Known> RecordSet::read(const vault::Id& id, const Entry& entry) const {
    Cursor cursor{select_};
    HWVAULT_TRY(const bool found, cursor.bind(entry.number).next());
    const auto stored = found ? parse_row(cursor) : std::nullopt;
    if (!stored || stored->row.id != id || stored->row.version != entry.version || hash_of(stored->row) != entry.hash) {
        return tampered("a record is not the one that was stored.");
    }
    const Row& row = stored->row;
    return Known{row.kind, row.version, Bytes(row.body.begin(), row.body.end()), copy_of(row.content), copy_of(row.escrow)};
}

// The first time in a round that a record is written.
Result<void> RecordSet::keep_image(const vault::Id& id, const Entry* before) {
    if (!images_.wants(id)) return {};
    if (before == nullptr) return images_.add(id, nullptr);
    HWVAULT_TRY(const Known known, read(id, *before));
    const Row row{known.kind, id, known.version, known.body, view_of(known.content), view_of(known.escrow)};
    return images_.add(id, &row);
}

Result<void> RecordSet::put(Kind kind, const vault::Id& id, BytesView body, const Attachments& attachments) {
    const Entry* const before = find(id);
    HWVAULT_CHECK(keep_image(id, before));
    Row row{kind, id, before != nullptr ? before->version + 1 : 1, body, attachments.content, attachments.escrow};
    const bool reads = before != nullptr && ((!row.content && before->has_content) || (!row.escrow && before->has_escrow));
    Known known;
    if (reads) {
        HWVAULT_TRY(known, read(id, *before));
        if (!row.content) row.content = view_of(known.content);
        if (!row.escrow) row.escrow = view_of(known.escrow);
    }
    if (row.content && row.content->empty()) row.content.reset();
    if (row.escrow && row.escrow->empty()) row.escrow.reset();
    HWVAULT_TRY(const Entry after, write(row, before));
    replace_term(id, before, &after);
    provisional_.insert_or_assign(id, after);
    return {};
}

Result<void> RecordSet::erase(const vault::Id& id) {
    const Entry* const before = find(id);
    if (before == nullptr) return unknown_record();
    HWVAULT_CHECK(keep_image(id, before));
    Cursor cursor{erase_};
    HWVAULT_CHECK(cursor.bind(before->number).run());
    HWVAULT_CHECK(one_row_changed(connection_));
    replace_term(id, before, nullptr);
    provisional_.insert_or_assign(id, std::nullopt);
    return {};
}

Result<std::optional<Bytes>> RecordSet::content(const vault::Id& id) const {
    const Entry* const entry = find(id);
    if (entry == nullptr) return unknown_record();
    if (!entry->has_content) return std::optional<Bytes>{};
    HWVAULT_TRY(Known known, read(id, *entry));
    return std::move(known.content);
}

Result<std::optional<Bytes>> RecordSet::body_with_escrow(const vault::Id& id) const {
    const Entry* const entry = find(id);
    if (entry == nullptr || !entry->has_escrow) return std::optional<Bytes>{};
    HWVAULT_TRY(Known known, read(id, *entry));
    return std::optional<Bytes>{std::move(known.body)};
}

void RecordSet::keep() {
    for (const auto& [id, entry] : provisional_) {
        if (entry) {
            entries_.insert_or_assign(id, *entry);
        } else {
            entries_.erase(id);
        }
        if (digest_ && entry) digest_->put(id, entry->hash);
        if (digest_ && !entry) digest_->erase(id);
    }
    provisional_.clear();
    images_.keep();
    kept_count_ = count_;
    kept_sum_ = sum_;
}

void RecordSet::discard() {
    provisional_.clear();
    images_.discard();
    count_ = kept_count_;
    sum_ = kept_sum_;
}

}  // namespace hwvault::store
