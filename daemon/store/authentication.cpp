// SPDX-License-Identifier: LGPL-2.1-or-later
#include "daemon/store/authentication.h"

#include "foundation/fields.h"

namespace hwvault::store {
namespace {

// Bounded whatever the content's size; an empty field is "no content", which no hash is.
Bytes row_fields(const Row& row) {
    FieldWriter fields;
    fields.number(static_cast<std::uint64_t>(row.kind)).bytes(row.id).number(row.version);
    fields.bytes(crypto::sha256(row.body));
    if (row.content) {
        fields.bytes(crypto::sha256(*row.content));
    } else {
        fields.bytes({});
    }
    return fields.take();
}

}  // namespace

crypto::Digest hash_of(const Row& row) {
    return crypto::sha256(row_fields(row));
}

Keys::Keys(const SecretBytes& root)
    : record_(crypto::hkdf_sha256(root, "hwvault/store/record/1")),
      set_(crypto::hkdf_sha256(root, "hwvault/store/set/1")),
      head_(crypto::hkdf_sha256(root, "hwvault/store/head/1")) {}

RowTag Keys::tag(const Row& row) const {
    const Bytes fields = row_fields(row);
    return {crypto::sha256(fields), crypto::hmac_sha256(record_, fields)};
}

crypto::Digest Keys::term(const vault::Id& id, std::uint64_t version, const crypto::Digest& hash) const {
    return crypto::hmac_sha256(set_, FieldWriter().bytes(id).number(version).bytes(hash).view());
}

crypto::Digest Keys::head_mac(BytesView head) const {
    return crypto::hmac_sha256(head_, head);
}

void SetSum::add(const crypto::Digest& term) {
    unsigned carry = 0;
    for (std::size_t i = 0; i < bytes_.size(); ++i) {
        carry += static_cast<unsigned>(bytes_[i]) + term[i];
        bytes_[i] = static_cast<std::uint8_t>(carry);
        carry >>= 8;
    }
}

void SetSum::subtract(const crypto::Digest& term) {
    unsigned borrow = 0;
    for (std::size_t i = 0; i < bytes_.size(); ++i) {
        const unsigned difference = 256U + bytes_[i] - term[i] - borrow;
        bytes_[i] = static_cast<std::uint8_t>(difference);
        borrow = difference < 256U ? 1 : 0;
    }
}

}  // namespace hwvault::store
