// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The digest of a set of records that the device signs (docs/formats/escrow.md, "The set"): anybody can compute it
// from the file, and no other set has it.
//
// Only buckets in which a record changed are hashed again: a value costs the same in a large store as in a small one. About
// fifty bytes of memory a record.
#pragma once

#include <optional>
#include <vector>

#include "crypto/digest.h"
#include "daemon/store/by_id.h"
#include "daemon/store/store.h"

namespace hwvault::store {

class SetDigest {
public:
    SetDigest() : digests_(Rows::kBuckets) {}

    // So many records are about to come.
    void expect(std::size_t count) { rows_.expect(count); }
    // `row` is the hash of the record's row; an earlier one of this id is replaced.
    void put(const vault::Id& id, const crypto::Digest& row);
    void erase(const vault::Id& id);

    // Of the vault that `header` names; zeros where that has no recipient.
    [[nodiscard]] crypto::Digest value(const Header& header);

private:
    using Rows = ById<crypto::Digest>;

    Rows rows_;  // their buckets are those of the format
    std::vector<std::optional<crypto::Digest>> digests_;  // of the buckets; none since a row has changed
};

}  // namespace hwvault::store
