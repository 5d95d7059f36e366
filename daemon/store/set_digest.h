// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The digest of a set of records that the device signs (docs/formats/escrow.md, "The set"): anybody can compute it
// from the file, and no other set has it.
//
// Records lie in 4,096 buckets by their ids, and only those that changed are hashed again: a value costs the same in a
// large store as in a small one. About a hundred bytes of memory a record.
#pragma once

#include <map>
#include <optional>
#include <vector>

#include "crypto/digest.h"
#include "daemon/store/store.h"
#include "daemon/vault/record.h"

namespace hwvault::store {

class SetDigest {
public:
    SetDigest() : buckets_(kBuckets) {}

    // `row` is the hash of the record's row; an earlier one of this id is replaced.
    void put(const vault::Id& id, const crypto::Digest& row);
    void erase(const vault::Id& id);

    // Of the vault that `header` names; zeros where that has no recipient.
    [[nodiscard]] crypto::Digest value(const Header& header);

private:
    static constexpr std::size_t kBuckets = 4'096;
    struct Bucket {
        std::map<vault::Id, crypto::Digest> rows;
        std::optional<crypto::Digest> digest;  // none since a row has changed
    };
    [[nodiscard]] Bucket& bucket_of(const vault::Id& id);

    std::vector<Bucket> buckets_;
};

}  // namespace hwvault::store
