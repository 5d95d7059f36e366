// SPDX-License-Identifier: LGPL-2.1-or-later
#include "daemon/store/head.h"

#include <algorithm>

#include "foundation/fields.h"

namespace hwvault::store {
namespace {

template <std::size_t N>
std::optional<std::array<std::uint8_t, N>> array_of(std::optional<BytesView> blob) {
    if (!blob || blob->size() != N) return std::nullopt;
    std::array<std::uint8_t, N> array;
    std::copy(blob->begin(), blob->end(), array.begin());
    return array;
}

// Empty where there is none.
Bytes encode(const std::optional<vault::SignedCheckpoint>& checkpoint) {
    if (!checkpoint) return {};
    const vault::Checkpoint& stated = checkpoint->checkpoint;
    FieldWriter fields;
    fields.number(stated.sequence).bytes(stated.previous).bytes(stated.audit_head).number(stated.epoch);
    return fields.bytes(stated.escrow_set).bytes(checkpoint->signature).take();
}

bool decode(BytesView bytes, std::optional<vault::SignedCheckpoint>& checkpoint) {
    if (bytes.empty()) return true;
    FieldReader fields{bytes};
    const auto sequence = fields.number();
    const auto previous = fields.array<crypto::kDigestSize>();
    const auto audit_head = fields.array<crypto::kDigestSize>();
    const auto epoch = fields.number();
    const auto escrow_set = fields.array<crypto::kDigestSize>();
    const auto signature = fields.bytes();
    if (!sequence || !previous || !audit_head || !epoch || !escrow_set || !signature || !fields.finished()) return false;
    checkpoint = {.checkpoint = {.sequence = *sequence,
                                 .previous = *previous,
                                 .audit_head = *audit_head,
                                 .epoch = *epoch,
                                 .escrow_set = *escrow_set},
                  .signature = Bytes(signature->begin(), signature->end())};
    return true;
}

bool decode_recipient(BytesView bytes, std::optional<crypto::Digest>& recipient) {
    if (bytes.empty()) return true;
    recipient = array_of<crypto::kDigestSize>(bytes);
    return recipient.has_value();
}

std::optional<StoredHead> parse(const Cursor& row) {
    const auto vault_id = array_of<std::tuple_size_v<vault::Id>>(row.blob(1));
    const auto prefix = row.text(2);
    const auto sum = array_of<crypto::kDigestSize>(row.blob(7));
    const auto audit_head = array_of<crypto::kDigestSize>(row.blob(9));
    const auto mac = array_of<crypto::kDigestSize>(row.blob(11));
    if (row.number(0) != std::uint64_t{1} || !vault_id || !prefix || !sum || !audit_head || !mac) return std::nullopt;
    for (const int column : {3, 4, 5, 6, 8, 10}) {
        if (!row.number(column)) return std::nullopt;
    }
    if (!crypto::is_token_prefix(*prefix)) return std::nullopt;
    const auto recipient = row.blob(12);
    const auto checkpoint = row.blob(13);
    const auto counter = row.blob(14);
    const auto unprotected = row.number(15);
    const auto audit_first = row.number(16);
    const auto audit_written = row.number(17);
    if (!counter || !unprotected || *unprotected > 1 || !audit_first || !audit_written) return std::nullopt;
    Head head{.header = {.vault = *vault_id, .prefix = std::string(*prefix), .recipient = {}},
              .epoch = {.base = *row.number(3), .device_origin = *row.number(4), .epoch = *row.number(5),
                        .counter = Bytes(counter->begin(), counter->end()),
                        .unprotected = *unprotected == 1},
              .count = *row.number(6),
              .sum = SetSum{*sum},
              .audit_first = *audit_first,
              .audit_sequence = *row.number(8),
              .audit_head = *audit_head,
              .audit_written = *audit_written,
              .time_mark = *row.number(10),
              .checkpoint = {}};
    const bool whole = recipient && decode_recipient(*recipient, head.header.recipient) && checkpoint &&
                       decode(*checkpoint, head.checkpoint);
    if (!whole) return std::nullopt;
    return StoredHead{std::move(head), *mac};
}

BytesView recipient_bytes(const Head& head) {
    return head.header.recipient ? BytesView{*head.header.recipient} : BytesView{};
}

}  // namespace

Bytes authenticated_bytes(const Head& head) {
    FieldWriter fields;
    fields.bytes(head.header.vault).text(head.header.prefix);
    fields.number(head.epoch.base).number(head.epoch.device_origin).number(head.epoch.epoch);
    fields.number(head.count).bytes(head.sum.bytes());
    fields.number(head.audit_sequence).bytes(head.audit_head).number(head.time_mark);
    // A vault without any of this has the fields of version 1, or 2, whose MACs stay good.
    const EpochState& epoch = head.epoch;
    const bool of_version_3 = head.audit_first != 1 || head.audit_written != 0;
    if (of_version_3 || head.header.recipient || head.checkpoint || !epoch.counter.empty() || epoch.unprotected) {
        fields.bytes(recipient_bytes(head)).bytes(encode(head.checkpoint));
        fields.bytes(epoch.counter).number(epoch.unprotected ? 1 : 0);
    }
    if (of_version_3) fields.number(head.audit_first).number(head.audit_written);
    return fields.take();
}

Result<StoredHead> read_head(const Connection& connection) {
    HWVAULT_TRY(const Statement statement,
                connection.prepare("SELECT single, vault, prefix, base, device_origin, epoch, count, sum,"
                                   " audit_sequence, audit_head, time_mark, mac, recipient, checkpoint, counter, unprotected,"
                                   " audit_first, audit_written FROM head"));
    Cursor cursor{statement};
    HWVAULT_TRY(const bool found, cursor.next());
    if (!found) return tampered("its head is missing.");
    auto head = parse(cursor);
    if (!head) return tampered("its head does not read as one.");
    HWVAULT_TRY(const bool more, cursor.next());
    if (more) return tampered("it has more than one head.");
    return std::move(*head);
}

Result<Statement> prepare_head_write(const Connection& connection) {
    return connection.prepare(
        "INSERT OR REPLACE INTO head (single, vault, prefix, base, device_origin, epoch, count, sum, audit_sequence,"
        " audit_head, time_mark, mac, recipient, checkpoint, counter, unprotected, audit_first, audit_written)"
        " VALUES (1, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)");
}

Result<void> write_head(const Statement& statement, const Head& head, const crypto::Digest& mac) {
    const Bytes checkpoint = encode(head.checkpoint);
    Cursor cursor{statement};
    cursor.bind(BytesView{head.header.vault}).bind(std::string_view{head.header.prefix});
    cursor.bind(head.epoch.base).bind(head.epoch.device_origin).bind(head.epoch.epoch);
    cursor.bind(head.count).bind(BytesView{head.sum.bytes()});
    cursor.bind(head.audit_sequence).bind(BytesView{head.audit_head}).bind(head.time_mark).bind(BytesView{mac});
    cursor.bind(recipient_bytes(head)).bind(BytesView{checkpoint});
    cursor.bind(BytesView{head.epoch.counter}).bind(std::uint64_t{head.epoch.unprotected ? 1U : 0U});
    cursor.bind(head.audit_first).bind(head.audit_written);
    return cursor.run();
}

}  // namespace hwvault::store
