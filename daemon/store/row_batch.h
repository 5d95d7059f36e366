// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Some rows of the table, copied, so that they can be checked on another thread than the one that reads.
#pragma once

#include <memory_resource>
#include <optional>
#include <variant>
#include <vector>

#include "daemon/store/record_set.h"

namespace hwvault::store {

class RowBatch {
public:
    void add(const StoredRow& row);
    [[nodiscard]] const std::vector<StoredRow>& rows() const { return rows_; }
    // Enough for a thread of its own to be worth it, and little to hold at once.
    [[nodiscard]] bool is_full() const { return rows_.size() >= kMaxRows || size_ >= kMaxSize; }

private:
    static constexpr std::size_t kMaxRows = 4'096;
    static constexpr std::size_t kMaxSize = 4 << 20;  // bytes, and one row's more
    BytesView copy(BytesView bytes);
    std::optional<BytesView> copy(const std::optional<BytesView>& bytes);

    std::pmr::monotonic_buffer_resource text_;
    std::vector<StoredRow> rows_;
    std::size_t size_{0};
};

struct CheckedRow {
    bool is_authentic{false};
    AuthenticRow row;
    // Neither: its body is no record, or another's.
    std::variant<std::monostate, vault::Account, vault::Token> record;
};
// One for each row, in the same order. Nothing is decoded that is not authentic.
std::vector<CheckedRow> check(const RowBatch& batch, const Keys& keys);

}  // namespace hwvault::store
