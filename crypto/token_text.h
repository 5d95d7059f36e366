// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The text of an issued token (docs/formats/token.md):
//
//     hwv_ | 10 characters id | 43 characters secret | 6 characters CRC-32
//
// All but the prefix is base62 (0-9A-Za-z, big-endian, left-padded with `0`). The CRC-32 (IEEE 802.3, as in
// zlib) is over everything before it, so that a scanner knows a leaked token offline. The id is not secret: it
// names a token in logs. What is stored is the SHA-256 of id and secret, 53 bytes: one block.
//
// Everything here is a pure function, thread-safe, and allocates only where it returns a secret.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "crypto/digest.h"
#include "foundation/result.h"
#include "foundation/secret.h"

namespace hwvault::crypto {

constexpr std::size_t kTokenIdSize = 10;
constexpr std::size_t kTokenSecretSize = 43;  // ceil(256 / log2(62))
constexpr std::size_t kTokenChecksumSize = 6;
constexpr std::size_t kTokenBodySize = kTokenIdSize + kTokenSecretSize + kTokenChecksumSize;
constexpr std::size_t kTokenHashedSize = kTokenIdSize + kTokenSecretSize;
constexpr std::size_t kMaxPrefixSize = 7;  // "[a-z]{2,6}_"
constexpr std::size_t kMaxTokenSize = kMaxPrefixSize + kTokenBodySize;
constexpr std::string_view kDefaultPrefix = "hwv_";

// Ten base62 characters, in the text's own form.
using TokenId = std::array<char, kTokenIdSize>;
inline std::string_view id_text(const TokenId& id) { return {id.data(), id.size()}; }

// True for `[a-z]{2,6}_`.
bool is_token_prefix(std::string_view prefix);

// A uniformly random id; kInternal when the generator fails.
Result<TokenId> random_token_id();
// nullopt unless `text` is ten base62 characters.
std::optional<TokenId> parse_token_id(std::string_view text);
// The same in 8 bytes.
std::uint64_t number_of(const TokenId& id);
TokenId id_of(std::uint64_t number);  // of one of these

// The token's text. `secret` is 32 bytes; `prefix` is valid.
SecretBytes make_token_text(std::string_view prefix, const TokenId& id, const SecretBytes& secret);

// What of a token's text is looked at.
struct TokenParts {
    std::span<const std::uint8_t, kTokenIdSize> id;
    std::span<const std::uint8_t, kTokenHashedSize> hashed;  // id and secret
};
// Of a text of a token's size. Which characters it has is not looked at: what is hashed tells.
inline TokenParts parts_of_token_text(BytesView text) {
    const BytesView body = text.last(kTokenBodySize);
    return {body.first<kTokenIdSize>(), body.first<kTokenHashedSize>()};
}
inline std::string_view id_in_token_text(BytesView text) { return text_of(parts_of_token_text(text).id); }
bool has_right_checksum(BytesView text);
// Over the last of a text that is whole but for it.
void write_checksum(std::span<std::uint8_t> text);

// Where to look a token up, and what must be found there.
struct TokenProof {
    TokenId id;
    Digest hash;  // SHA-256 of id and secret
};

// nullopt when the text has another form, another prefix or a wrong checksum: then it is no token of this
// vault, and nothing needs to be looked up.
std::optional<TokenProof> prove_token_text(std::string_view prefix, BytesView text);

}  // namespace hwvault::crypto
