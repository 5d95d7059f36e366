// SPDX-License-Identifier: LGPL-2.1-or-later
#include "daemon/store/load.h"

#include <algorithm>
#include <deque>
#include <future>
#include <limits>
#include <map>
#include <memory>
#include <thread>
#include <utility>

#include <malloc.h>

#include "daemon/store/codec.h"
#include "daemon/store/row_batch.h"

namespace hwvault::store {
namespace {

// When tokens were last used, by the rows of their records, which are asked for in the order of the table. Whatever it has, or
// cannot give, is no reason not to open a store.
class UsesByRow {
public:
    explicit UsesByRow(const Statement& statement) : cursor_(statement) { go_on(); }

    std::uint64_t of(std::uint64_t row) {
        while (here_ && *here_ < signed_row(row)) go_on();
        return here_ == signed_row(row) ? cursor_.number(1).value_or(0) : 0;
    }

private:
    static std::int64_t signed_row(std::uint64_t row) { return static_cast<std::int64_t>(row); }
    // A row that is not behind the one before ends it: in a table whose pages lead to the same ones again there would be no end.
    void go_on() {
        const auto before = std::exchange(here_, std::nullopt);
        const Result<bool> found = cursor_.next();
        if (!found || !*found) return;
        const std::int64_t row = signed_row(cursor_.number(0).value_or(0));
        if (!before || row > *before) here_ = row;
    }

    Cursor cursor_;
    std::optional<std::int64_t> here_;  // the row that the cursor is at; none at the end
};

// What of it may be so: not before the token was made, and as verifiers note it, in 32 bits. Whether it is past is for others to
// see, who have a clock.
vault::UnixTime credible_use(const vault::Token& token, std::uint64_t saved) {
    const bool may_be = saved >= token.created_at && saved <= std::numeric_limits<std::uint32_t>::max();
    return may_be ? saved : 0;
}

// What has been checked so far, in the order of the table.
class Loading {
public:
    Loading(const Keys& keys, RecordSet& records, std::uint64_t in_all, const TakeRecords& take)
        : keys_(keys), records_(records), in_all_(in_all), take_(take) {}

    Result<void> read_all(const Connection& connection);

private:
    struct Checked {
        std::unique_ptr<RowBatch> batch;
        std::vector<CheckedRow> rows;
    };

    Result<void> read_rows(const Connection& connection);
    Result<void> begin_checking(std::unique_ptr<RowBatch> batch);
    // Waits until no more than so many are under way.
    Result<void> wait_for_all_but(std::size_t left);
    Result<void> take(Checked some);
    Result<void> take_row(const StoredRow& stored, CheckedRow& checked, Records& records);

    [[nodiscard]] std::string account_name(const vault::Id& id) const;
    [[nodiscard]] std::string name_of(const Row& row) const;
    [[nodiscard]] Error bad_record(const StoredRow& stored) const;

    const Keys& keys_;
    RecordSet& records_;
    std::uint64_t in_all_;
    const TakeRecords& take_;
    std::deque<std::future<Checked>> under_way_;
    std::map<vault::Id, std::string> accounts_;  // by what a person calls them
};

// Records are written accounts first, so the account is most often among those read so far.
std::string Loading::account_name(const vault::Id& id) const {
    const auto found = accounts_.find(id);
    return found != accounts_.end() ? "`" + found->second + "`" : "an account that cannot be read";
}

// What a person calls the record of a row that is not to be believed, as far as its body still tells.
std::string Loading::name_of(const Row& row) const {
    if (row.kind == Kind::kAccount) {
        const auto account = decode_account(row.body);
        return account ? "the record of the account `" + account->name.text() + "`" : "the record of an account";
    }
    const auto token = decode_token(row.body);
    if (!token) return "the record of a token";
    return "the record of the token `" + token->name.text() + "` of " + account_name(token->account);
}

Error Loading::bad_record(const StoredRow& stored) const {
    return tampered(name_of(stored.row) + " (row " + std::to_string(stored.number) + ") is not what hwvaultd wrote.");
}

Result<void> Loading::read_all(const Connection& connection) {
    // What comes first in the table is told first.
    const Result<void> read = read_rows(connection);
    HWVAULT_CHECK(wait_for_all_but(0));
    malloc_trim(0);  // each thread had a heap of its own, and the C library keeps what they no longer hold
    return read;
}

Result<void> Loading::read_rows(const Connection& connection) {
    HWVAULT_TRY(const Statement statement, connection.prepare(kSelectRows));
    HWVAULT_TRY(const Statement select_uses, connection.prepare("SELECT row, at FROM uses ORDER BY row"));
    Cursor cursor{statement};
    UsesByRow uses{select_uses};
    auto batch = std::make_unique<RowBatch>();
    for (;;) {
        Result<bool> found = cursor.next();
        auto stored = found && *found ? parse_row(cursor) : std::nullopt;
        if (stored) {
            stored->used = uses.of(stored->number);
            batch->add(*stored);
        }
        if (stored && !batch->is_full()) continue;
        HWVAULT_CHECK(begin_checking(std::exchange(batch, std::make_unique<RowBatch>())));
        if (stored) continue;
        HWVAULT_CHECK(found);
        if (!*found) return {};
        return tampered("row " + std::to_string(cursor.number(0).value_or(0)) +
                        " of its records does not read as one.");
    }
}

// Where no thread is to be had, it is checked when it is waited for.
Result<void> Loading::begin_checking(std::unique_ptr<RowBatch> batch) {
    HWVAULT_CHECK(wait_for_all_but(std::max(1U, std::thread::hardware_concurrency())));
    under_way_.push_back(std::async([&keys = keys_, batch = std::move(batch)]() mutable {
        auto rows = check(*batch, keys);
        return Checked{std::move(batch), std::move(rows)};
    }));
    return {};
}

Result<void> Loading::wait_for_all_but(std::size_t left) {
    while (under_way_.size() > left) {
        Checked oldest = under_way_.front().get();
        under_way_.pop_front();
        HWVAULT_CHECK(take(std::move(oldest)));
    }
    return {};
}

Result<void> Loading::take(Checked some) {
    Records records{.accounts = {}, .tokens = {}, .used = {}, .in_all = in_all_};
    for (std::size_t i = 0; i < some.rows.size(); ++i) {
        HWVAULT_CHECK(take_row(some.batch->rows()[i], some.rows[i], records));
    }
    if (take_) take_(std::move(records));
    return {};
}

// Puts what an authentic row holds among the records.
Result<void> Loading::take_row(const StoredRow& stored, CheckedRow& checked, Records& records) {
    if (!checked.is_authentic) return bad_record(stored);
    if (!records_.know(checked.row)) {
        return tampered(name_of(stored.row) + " is there twice, one of them an older one.");
    }
    if (auto* const account = std::get_if<vault::Account>(&checked.record)) {
        accounts_.emplace(account->id, account->name.text());
        records.accounts.push_back(std::move(*account));
    } else if (auto* const token = std::get_if<vault::Token>(&checked.record)) {
        records.used.push_back(credible_use(*token, stored.used));
        records.tokens.push_back(std::move(*token));
    } else {
        return bad_record(stored);
    }
    return {};
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

Result<Loaded> load(const Connection& connection, const Keys& keys, RecordSet& records, const TakeRecords& take) {
    HWVAULT_TRY(StoredHead stored, read_head(connection));
    const Head& head = stored.head;
    if (!equal_in_constant_time(keys.head_mac(authenticated_bytes(head)), stored.mac)) {
        return tampered("its head does not match, or it was made with another device than the one that is plugged in.");
    }
    Contents contents;
    records.expect(head.count, head.header.recipient.has_value());
    HWVAULT_CHECK(Loading(keys, records, head.count, take).read_all(connection));
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
