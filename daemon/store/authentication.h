// SPDX-License-Identifier: LGPL-2.1-or-later
//
// How the store knows its own rows (docs/formats/store.md): a MAC for each, and one sum that holds the set together.
//
// Three keys come by HKDF from what the device derived. A row's hash is over all that the row means; its MAC says
// that hwvaultd wrote it, and the sum, modulo 2^256, of a secret term for each row says that it is among the rows
// of now, so that one put back, left out or doubled is found. Terms are never stored: who changes the file cannot
// compute how the sum would have to change.
#pragma once

#include <optional>

#include "crypto/digest.h"
#include "daemon/vault/record.h"
#include "foundation/secret.h"

namespace hwvault::store {

// The numbers are on disk; do not reorder.
enum class Kind : std::uint8_t { kAccount = 1, kToken = 2 };

// A row of `records`, in views that the caller keeps.
struct Row {
    Kind kind{Kind::kAccount};
    vault::Id id{};
    std::uint64_t version{0};  // 1 at first, one more at each write
    BytesView body;
    std::optional<BytesView> content;
    std::optional<BytesView> escrow{};
};
constexpr bool is_kind(std::uint64_t number) { return number == 1 || number == 2; }

// A row with its long parts hashed: all that its own hash is made of.
struct HashedRow {
    Kind kind{Kind::kAccount};
    vault::Id id{};
    std::uint64_t version{0};
    crypto::Digest body{};
    std::optional<crypto::Digest> content;
    std::optional<crypto::Digest> escrow;
};
HashedRow hashed_row(const Row& row);

crypto::Digest hash_of(const HashedRow& row);
inline crypto::Digest hash_of(const Row& row) { return hash_of(hashed_row(row)); }

// A row's hash, and its MAC over the same bytes.
struct RowTag {
    crypto::Digest hash{};
    crypto::Digest mac{};
};

class Keys {
public:
    explicit Keys(const SecretBytes& root);

    // Reads the row's body and content once for both.
    [[nodiscard]] RowTag tag(const Row& row) const;
    // What the row adds to the sum.
    [[nodiscard]] crypto::Digest term(const vault::Id& id, std::uint64_t version, const crypto::Digest& hash) const;
    [[nodiscard]] crypto::Digest head_mac(BytesView head) const;

private:
    friend class ManyRows;
    SecretBytes record_;
    SecretBytes set_;
    SecretBytes head_;
};

// Tags and terms as Keys gives them, of many rows: for one thread, and for as long as they take (crypto::HmacSha256).
class ManyRows {
public:
    explicit ManyRows(const Keys& keys) : record_(keys.record_), set_(keys.set_) {}
    RowTag tag(const Row& row);
    crypto::Digest term(const vault::Id& id, std::uint64_t version, const crypto::Digest& hash);

private:
    crypto::HmacSha256 record_;
    crypto::HmacSha256 set_;
};

// A number modulo 2^256, kept little-endian.
class SetSum {
public:
    SetSum() = default;
    explicit SetSum(const crypto::Digest& bytes) : bytes_(bytes) {}

    void add(const crypto::Digest& term);
    void subtract(const crypto::Digest& term);
    void add(const SetSum& other) { add(other.bytes_); }

    [[nodiscard]] const crypto::Digest& bytes() const { return bytes_; }
    friend bool operator==(const SetSum&, const SetSum&) = default;

private:
    crypto::Digest bytes_{};
};

}  // namespace hwvault::store
