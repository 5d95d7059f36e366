// SPDX-License-Identifier: LGPL-2.1-or-later
#include "daemon/store/record_set.h"

#include <algorithm>
#include <utility>

namespace hwvault::store {
namespace {

Error unknown_record() {
    return {ErrorCode::kInternal, "A change names a record that the store does not have. Report this as a defect."};
}

Error another_record() {
    return tampered("a record is not the one that was stored.");
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

Result<void> RecordSet::prepare() {
    HWVAULT_TRY(insert_, connection_.prepare("INSERT INTO records (kind, id, version, body, content, mac, escrow)"
                                             " VALUES (?, ?, ?, ?, ?, ?, ?)"));
    HWVAULT_TRY(update_, connection_.prepare("UPDATE records SET kind = ?, id = ?, version = ?, body = ?, content = ?,"
                                             " mac = ?, escrow = ? WHERE row = ?"));
    HWVAULT_TRY(erase_, connection_.prepare("DELETE FROM records WHERE row = ?"));
    HWVAULT_TRY(select_, connection_.prepare(std::string(kSelectRows) + " WHERE row = ?"));
    HWVAULT_TRY(save_use_, connection_.prepare("INSERT INTO uses (row, at) VALUES (?, ?) ON CONFLICT (row) DO UPDATE"
                                               " SET at = excluded.at WHERE typeof(at) <> 'integer' OR at < excluded.at OR at > ?"));
    HWVAULT_TRY(forget_use_, connection_.prepare("DELETE FROM uses WHERE row = ?"));
    return {};
}

void RecordSet::expect(std::uint64_t count, bool is_signed) {
    entries_.expect(count);
    if (is_signed) digest_.emplace().expect(count);
}

bool RecordSet::know(const AuthenticRow& row) {
    if (!entries_.insert(row.id, entry_of(row.number, row.tag.mac))) return false;
    if (digest_) digest_->put(row.id, row.tag.hash);
    sum_.add(row.term);
    kept_sum_ = sum_;
    kept_count_ = ++count_;
    return true;
}

RecordSet::Entry RecordSet::entry_of(std::uint64_t number, const crypto::Digest& mac) {
    Entry entry{.number = number, .mac = {}};
    std::copy_n(mac.begin(), entry.mac.size(), entry.mac.begin());
    return entry;
}

const RecordSet::Entry* RecordSet::find(const vault::Id& id) const {
    if (const auto change = provisional_.find(id); change != provisional_.end()) {
        return change->second ? &change->second->entry : nullptr;
    }
    return entries_.find(id);
}

void RecordSet::add_term(const vault::Id& id, std::uint64_t version, const crypto::Digest& hash) {
    sum_.add(keys_.term(id, version, hash));
    ++count_;
}

void RecordSet::subtract_term(const vault::Id& id, const Record& before) {
    sum_.subtract(keys_.term(id, before.version, before.hash));
    --count_;
}

Result<Record> RecordSet::read(const vault::Id& id, const Entry& entry) const {
    Cursor cursor{select_};
    HWVAULT_TRY(const bool found, cursor.bind(entry.number).next());
    const auto stored = found ? parse_row(cursor) : std::nullopt;
    if (!stored || stored->row.id != id) return another_record();
    const Row& row = stored->row;
    const RowTag tag = keys_.tag(row);
    if (!equal_in_constant_time(entry.mac, BytesView{tag.mac}.first(entry.mac.size()))) return another_record();
    return Record{.kind = row.kind,
                  .version = row.version,
                  .hash = tag.hash,
                  .body = Bytes(row.body.begin(), row.body.end()),
                  .content = copy_of(row.content),
                  .escrow = copy_of(row.escrow)};
}

Result<std::optional<Record>> RecordSet::read(const vault::Id& id) const {
    const Entry* const entry = find(id);
    if (entry == nullptr) return std::optional<Record>{};
    HWVAULT_TRY(Record record, read(id, *entry));
    return std::optional{std::move(record)};
}

// The first time in a round that a record is written.
Result<void> RecordSet::keep_image(const vault::Id& id, const std::optional<Record>& before) {
    if (!images_.wants(id)) return {};
    if (!before) return images_.add(id, nullptr);
    const Row row{before->kind, id, before->version, before->body, view_of(before->content), view_of(before->escrow)};
    return images_.add(id, &row);
}

Result<RecordSet::Provisional> RecordSet::write(const Row& row) {
    const RowTag tag = keys_.tag(row);
    const Entry* const before = find(row.id);
    Cursor cursor{before != nullptr ? update_ : insert_};
    cursor.bind(static_cast<std::uint64_t>(row.kind)).bind(BytesView{row.id}).bind(row.version).bind(row.body);
    cursor.bind(row.content).bind(BytesView{tag.mac}).bind(row.escrow);
    if (before != nullptr) cursor.bind(before->number);
    HWVAULT_CHECK(cursor.run());
    HWVAULT_CHECK(one_row_changed(connection_));
    const auto number = before != nullptr ? before->number
                                          : static_cast<std::uint64_t>(sqlite3_last_insert_rowid(connection_.get()));
    return Provisional{.entry = entry_of(number, tag.mac), .hash = tag.hash};
}

Result<void> RecordSet::put(const NewRecord& record, const std::optional<Record>& before) {
    HWVAULT_CHECK(keep_image(record.id, before));
    Row row{record.kind, record.id, before ? before->version + 1 : 1, record.body, record.content, record.escrow};
    if (before && !row.content) row.content = view_of(before->content);
    if (before && !row.escrow) row.escrow = view_of(before->escrow);
    if (row.content && row.content->empty()) row.content.reset();
    if (row.escrow && row.escrow->empty()) row.escrow.reset();
    HWVAULT_TRY(const Provisional after, write(row));
    if (before) subtract_term(record.id, *before);
    add_term(record.id, row.version, after.hash);
    provisional_.insert_or_assign(record.id, after);
    return {};
}

Result<void> RecordSet::erase(const vault::Id& id) {
    HWVAULT_TRY(const std::optional<Record> before, read(id));
    if (!before) return unknown_record();
    HWVAULT_CHECK(keep_image(id, before));
    Cursor cursor{erase_};
    HWVAULT_CHECK(cursor.bind(find(id)->number).run());
    HWVAULT_CHECK(one_row_changed(connection_));
    HWVAULT_CHECK(Cursor{forget_use_}.bind(find(id)->number).run());
    subtract_term(id, *before);
    provisional_.insert_or_assign(id, std::nullopt);
    return {};
}

Result<void> RecordSet::save_use(const vault::Id& id, std::uint64_t at, std::uint64_t now) {
    const Entry* const entry = find(id);
    return entry == nullptr ? Result<void>{} : Cursor{save_use_}.bind(entry->number).bind(at).bind(now).run();
}

std::uint64_t RecordSet::place_of(const vault::Id& id) const {
    const Entry* const entry = find(id);
    return entry == nullptr ? 0 : entry->number;
}

void RecordSet::keep() {
    for (const auto& [id, change] : provisional_) {
        if (change) {
            entries_.put(id, change->entry);
        } else {
            entries_.erase(id);
        }
        if (digest_ && change) digest_->put(id, change->hash);
        if (digest_ && !change) digest_->erase(id);
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
