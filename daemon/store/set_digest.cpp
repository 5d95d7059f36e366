// SPDX-License-Identifier: LGPL-2.1-or-later
#include "daemon/store/set_digest.h"

#include "foundation/fields.h"

namespace hwvault::store {
namespace {

crypto::Digest digest_of(const std::map<vault::Id, crypto::Digest>& rows) {
    Bytes leaves;
    leaves.reserve(rows.size() * (sizeof(vault::Id) + crypto::kDigestSize));
    for (const auto& [id, row] : rows) {
        leaves.insert(leaves.end(), id.begin(), id.end());
        leaves.insert(leaves.end(), row.begin(), row.end());
    }
    return crypto::sha256(leaves);
}

}  // namespace

SetDigest::Bucket& SetDigest::bucket_of(const vault::Id& id) {
    return buckets_[static_cast<std::size_t>(id[0]) << 4 | id[1] >> 4];
}

void SetDigest::put(const vault::Id& id, const crypto::Digest& row) {
    Bucket& bucket = bucket_of(id);
    bucket.rows.insert_or_assign(id, row);
    bucket.digest.reset();
}

void SetDigest::erase(const vault::Id& id) {
    Bucket& bucket = bucket_of(id);
    bucket.rows.erase(id);
    bucket.digest.reset();
}

crypto::Digest SetDigest::value(const Header& header) {
    if (!header.recipient) return {};
    Bytes digests;
    digests.reserve(kBuckets * crypto::kDigestSize);
    for (Bucket& bucket : buckets_) {
        if (!bucket.digest) bucket.digest = digest_of(bucket.rows);
        digests.insert(digests.end(), bucket.digest->begin(), bucket.digest->end());
    }
    FieldWriter fields;
    fields.text("hwvault/escrow-set/1").bytes(header.vault).text(header.prefix).bytes(*header.recipient);
    return crypto::sha256(fields.bytes(crypto::sha256(digests)).view());
}

}  // namespace hwvault::store
