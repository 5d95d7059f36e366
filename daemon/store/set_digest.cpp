// SPDX-License-Identifier: LGPL-2.1-or-later
#include "daemon/store/set_digest.h"

#include "foundation/fields.h"

namespace hwvault::store {
namespace {

crypto::Digest digest_of(std::span<const ById<crypto::Digest>::Item> rows) {
    Bytes leaves;
    leaves.reserve(rows.size() * (sizeof(vault::Id) + crypto::kDigestSize));
    for (const auto& [id, row] : rows) {
        leaves.insert(leaves.end(), id.begin(), id.end());
        leaves.insert(leaves.end(), row.begin(), row.end());
    }
    return crypto::sha256(leaves);
}

}  // namespace

void SetDigest::put(const vault::Id& id, const crypto::Digest& row) {
    rows_.put(id, row);
    digests_[Rows::bucket_of(id)].reset();
}

void SetDigest::erase(const vault::Id& id) {
    rows_.erase(id);
    digests_[Rows::bucket_of(id)].reset();
}

crypto::Digest SetDigest::value(const Header& header) {
    if (!header.recipient) return {};
    Bytes digests;
    digests.reserve(Rows::kBuckets * crypto::kDigestSize);
    for (std::size_t bucket = 0; bucket < Rows::kBuckets; ++bucket) {
        if (!digests_[bucket]) digests_[bucket] = digest_of(rows_.bucket(bucket));
        digests.insert(digests.end(), digests_[bucket]->begin(), digests_[bucket]->end());
    }
    FieldWriter fields;
    fields.text("hwvault/escrow-set/1").bytes(header.vault).text(header.prefix).bytes(*header.recipient);
    return crypto::sha256(fields.bytes(crypto::sha256(digests)).view());
}

}  // namespace hwvault::store
