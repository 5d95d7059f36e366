// SPDX-License-Identifier: LGPL-2.1-or-later
#include "daemon/store/authentication.h"

#include "foundation/fields.h"

namespace hwvault::store {
namespace {

// Bounded whatever the content's size; an empty field is "no content", which no hash is. A row without an escrow is
// written as before there were any, with a field less: what a store of version 1 authenticated stays authentic.
Bytes row_fields(const HashedRow& row) {
    FieldWriter fields;
    fields.number(static_cast<std::uint64_t>(row.kind)).bytes(row.id).number(row.version).bytes(row.body);
    fields.bytes(row.content ? BytesView{*row.content} : BytesView{});
    if (row.escrow) fields.bytes(*row.escrow);
    return fields.take();
}

Bytes term_fields(const vault::Id& id, std::uint64_t version, const crypto::Digest& hash) {
    return FieldWriter().bytes(id).number(version).bytes(hash).take();
}

std::optional<crypto::Digest> digest_of(const std::optional<BytesView>& bytes) {
    return bytes ? std::optional{crypto::sha256(*bytes)} : std::nullopt;
}

}  // namespace

HashedRow hashed_row(const Row& row) {
    return {.kind = row.kind,
            .id = row.id,
            .version = row.version,
            .body = crypto::sha256(row.body),
            .content = digest_of(row.content),
            .escrow = digest_of(row.escrow)};
}

crypto::Digest hash_of(const HashedRow& row) {
    return crypto::sha256(row_fields(row));
}

Keys::Keys(const SecretBytes& root)
    : record_(crypto::hkdf_sha256(root, "hwvault/store/record/1")),
      set_(crypto::hkdf_sha256(root, "hwvault/store/set/1")),
      head_(crypto::hkdf_sha256(root, "hwvault/store/head/1")) {}

RowTag Keys::tag(const Row& row) const {
    const Bytes fields = row_fields(hashed_row(row));
    return {crypto::sha256(fields), crypto::hmac_sha256(record_, fields)};
}

crypto::Digest Keys::term(const vault::Id& id, std::uint64_t version, const crypto::Digest& hash) const {
    return crypto::hmac_sha256(set_, term_fields(id, version, hash));
}

crypto::Digest Keys::head_mac(BytesView head) const {
    return crypto::hmac_sha256(head_, head);
}

RowTag ManyRows::tag(const Row& row) {
    const Bytes fields = row_fields(hashed_row(row));
    return {crypto::sha256(fields), record_.of(fields)};
}

crypto::Digest ManyRows::term(const vault::Id& id, std::uint64_t version, const crypto::Digest& hash) {
    return set_.of(term_fields(id, version, hash));
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
