// SPDX-License-Identifier: LGPL-2.1-or-later
#include "daemon/store/row_batch.h"

#include <algorithm>
#include <utility>

#include "daemon/store/codec.h"

namespace hwvault::store {
namespace {

CheckedRow check(const StoredRow& stored, ManyRows& authenticator) {
    CheckedRow checked;
    const Row& row = stored.row;
    const RowTag tag = authenticator.tag(row);
    checked.is_authentic = equal_in_constant_time(tag.mac, stored.mac);
    if (!checked.is_authentic) return checked;
    checked.row = {.id = row.id,
                   .number = stored.number,
                   .version = row.version,
                   .tag = tag,
                   .term = authenticator.term(row.id, row.version, tag.hash)};
    if (row.kind == Kind::kAccount) {
        auto account = decode_account(row.body);
        if (account && account->id == row.id) checked.record = std::move(*account);
    } else {
        auto token = decode_token(row.body);
        if (token && token->id == row.id) checked.record = std::move(*token);
    }
    return checked;
}

}  // namespace

void RowBatch::add(const StoredRow& row) {
    StoredRow& copied = rows_.emplace_back(row);
    copied.row.body = copy(row.row.body);
    copied.row.content = copy(row.row.content);
    copied.row.escrow = copy(row.row.escrow);
}

BytesView RowBatch::copy(BytesView bytes) {
    size_ += bytes.size();
    auto* const place = static_cast<std::uint8_t*>(text_.allocate(bytes.size() + 1, 1));  // of its own, also when empty
    std::ranges::copy(bytes, place);
    return {place, bytes.size()};
}

std::optional<BytesView> RowBatch::copy(const std::optional<BytesView>& bytes) {
    return bytes ? std::optional{copy(*bytes)} : std::nullopt;
}

std::vector<CheckedRow> check(const RowBatch& batch, const Keys& keys) {
    ManyRows authenticator{keys};
    std::vector<CheckedRow> checked;
    checked.reserve(batch.rows().size());
    for (const StoredRow& row : batch.rows()) checked.push_back(check(row, authenticator));
    return checked;
}

}  // namespace hwvault::store
