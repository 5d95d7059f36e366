// SPDX-License-Identifier: LGPL-2.1-or-later
#include "daemon/store/load.h"

#include <algorithm>

#include "daemon/store/codec.h"

namespace hwvault::store {
namespace {

// The name of the account with this id among those read so far; records are written accounts first.
std::string account_name(const Contents& contents, const vault::Id& id) {
    const auto found = std::ranges::find(contents.accounts, id, &vault::Account::id);
    return found != contents.accounts.end() ? "`" + found->name.text() + "`" : "an account that cannot be read";
}

// What a person calls the record of a row that is not to be believed, as far as its body still tells.
std::string name_of(const Row& row, const Contents& contents) {
    if (row.kind == Kind::kAccount) {
        const auto account = decode_account(row.body);
        return account ? "the record of the account `" + account->name.text() + "`" : "the record of an account";
    }
    const auto token = decode_token(row.body);
    if (!token) return "the record of a token";
    return "the record of the token `" + token->name.text() + "` of " + account_name(contents, token->account);
}

Error bad_record(const StoredRow& stored, const Contents& contents) {
    return tampered(name_of(stored.row, contents) + " (row " + std::to_string(stored.number) +
                    ") is not what hwvaultd wrote.");
}

// Puts what an authentic row holds among the contents; false when it does not belong to its row.
bool take_record(const Row& row, Contents& contents) {
    if (row.kind == Kind::kAccount) {
        auto account = decode_account(row.body);
        if (!account || account->id != row.id) return false;
        contents.accounts.push_back(std::move(*account));
        return true;
    }
    auto token = decode_token(row.body);
    if (!token || token->id != row.id) return false;
    contents.tokens.push_back(std::move(*token));
    return true;
}

Result<void> load_records(const Connection& connection, const Keys& keys, RecordSet& records, Contents& contents) {
    HWVAULT_TRY(const Statement statement, connection.prepare(kSelectRows));
    Cursor cursor{statement};
    for (;;) {
        HWVAULT_TRY(const bool found, cursor.next());
        if (!found) return {};
        const auto stored = parse_row(cursor);
        if (!stored) return tampered("row " + std::to_string(cursor.number(0).value_or(0)) +
                                     " of its records does not read as one.");
        const RowTag tag = keys.tag(stored->row);
        if (!equal_in_constant_time(tag.mac, stored->mac)) return bad_record(*stored, contents);
        if (!records.know(*stored, tag.hash)) {
            return tampered(name_of(stored->row, contents) + " is there twice, one of them an older one.");
        }
        if (!take_record(stored->row, contents)) return bad_record(*stored, contents);
    }
}

// Every row is one that hwvaultd wrote at some time; whether they are the rows of now, the sum tells.
Result<void> check_set(const RecordSet& records, const Head& head) {
    if (records.count() < head.count) {
        return tampered(std::to_string(head.count - records.count()) + " of its records are missing.");
    }
    if (records.count() > head.count) {
        return tampered(std::to_string(records.count() - head.count) + " records that were deleted are back in it.");
    }
    if (!(records.sum() == head.sum)) return tampered("a record was replaced by an older one.");
    return {};
}

// That the events are all there and the last is the head's; daemon/audit checks the chain between them.
Result<void> check_events(const Connection& connection, const Head& head) {
    HWVAULT_TRY(const Statement statement,
                connection.prepare("SELECT count(*), min(sequence), max(sequence) FROM events"));
    Cursor counts{statement};
    HWVAULT_TRY(const bool counted, counts.next());
    const std::uint64_t kept = head.audit_sequence + 1 - head.audit_first;
    const bool whole = counted && counts.number(0) == kept &&
                       (kept == 0 || (counts.number(1) == head.audit_first && counts.number(2) == head.audit_sequence));
    if (!whole) return tampered("events of its audit trail are missing or were added.");
    if (kept == 0) return {};

    HWVAULT_TRY(const Statement last, connection.prepare("SELECT hash FROM events WHERE sequence = ?"));
    Cursor cursor{last};
    HWVAULT_TRY(const bool found, cursor.bind(head.audit_sequence).next());
    const auto hash = found ? cursor.blob(0) : std::nullopt;
    if (!hash || !equal_in_constant_time(*hash, head.audit_head)) {
        return tampered("the last event of its audit trail is not the one that was written.");
    }
    return {};
}

// Pages that are read twice or not at all, and the list of free ones, over which a later write could stumble.
Result<void> check_pages(const Connection& connection) {
    HWVAULT_TRY(const std::string finding, connection.text("PRAGMA quick_check(1)"));
    if (finding != "ok") return tampered("its pages do not fit together (" + finding + ").");
    return {};
}

}  // namespace

Result<Loaded> load(const Connection& connection, const Keys& keys, RecordSet& records) {
    HWVAULT_TRY(StoredHead stored, read_head(connection));
    const Head& head = stored.head;
    if (!equal_in_constant_time(keys.head_mac(authenticated_bytes(head)), stored.mac)) {
        return tampered("its head does not match, or it was made with another device than the one that is plugged in.");
    }
    Contents contents;
    HWVAULT_CHECK(load_records(connection, keys, records, contents));
    HWVAULT_CHECK(check_set(records, head));
    HWVAULT_CHECK(check_events(connection, head));
    HWVAULT_CHECK(check_pages(connection));
    contents.epoch = head.epoch;
    contents.time_mark = head.time_mark;
    contents.audit_first = head.audit_first;
    contents.audit_sequence = head.audit_sequence;
    contents.audit_written = head.audit_written;
    contents.audit_head = head.audit_head;
    contents.recipient = head.header.recipient;
    return Loaded{std::move(stored.head), std::move(contents)};
}

}  // namespace hwvault::store
