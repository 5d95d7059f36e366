// SPDX-License-Identifier: LGPL-2.1-or-later
#include "crypto/token_text.h"

#include <algorithm>
#include <cstring>

#include <libdeflate.h>

#include "crypto/random.h"

namespace hwvault::crypto {
namespace {

constexpr std::string_view kBase62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
constexpr unsigned kBase = 62;

// 1 for the characters of base62: a text is looked at without a branch for each.
constexpr auto kIsBase62 = [] {
    std::array<std::uint8_t, 256> is{};
    for (const char c : kBase62) is[static_cast<std::uint8_t>(c)] = 1;
    return is;
}();

bool is_base62(BytesView text) {
    std::uint8_t all = 1;
    for (const std::uint8_t c : text) all = static_cast<std::uint8_t>(all & kIsBase62[c]);
    return all == 1;
}

// Writes the big-endian number in `number`, of whole words, as base62 over the whole of `output`; destroys `number`. A division
// gives five digits, and one for each took some 3 us.
void write_base62(std::span<std::uint8_t> number, std::span<std::uint8_t> output) {
    constexpr std::uint64_t kFiveDigits = std::uint64_t{kBase} * kBase * kBase * kBase * kBase;
    for (std::size_t left = output.size(); left > 0;) {
        std::uint64_t remainder = 0;
        for (std::size_t at = 0; at < number.size(); at += sizeof(std::uint32_t)) {
            const auto word = number.subspan(at).first<sizeof(std::uint32_t)>();
            std::uint64_t value = remainder;
            for (const std::uint8_t byte : word) value = value << 8 | byte;
            remainder = value % kFiveDigits;
            value /= kFiveDigits;
            for (std::size_t i = word.size(); i-- > 0; value >>= 8) word[i] = static_cast<std::uint8_t>(value);
        }
        for (unsigned digit = 0; digit < 5 && left > 0; ++digit, remainder /= kBase) {
            output[--left] = static_cast<std::uint8_t>(kBase62[remainder % kBase]);
        }
    }
}

std::array<std::uint8_t, kTokenChecksumSize> checksum(BytesView bytes) {
    std::uint32_t sum = ::libdeflate_crc32(0, bytes.data(), bytes.size());
    std::array<std::uint8_t, kTokenChecksumSize> text;
    for (std::size_t i = text.size(); i-- > 0; sum /= kBase) text[i] = static_cast<std::uint8_t>(kBase62[sum % kBase]);
    return text;
}

}  // namespace

bool is_token_prefix(std::string_view prefix) {
    return prefix.size() >= 3 && prefix.size() <= kMaxPrefixSize && prefix.back() == '_' &&
           std::all_of(prefix.begin(), prefix.end() - 1, [](char c) { return c >= 'a' && c <= 'z'; });
}

Result<TokenId> random_token_id() {
    // Bytes of 248 and more are drawn again: 248 is the largest multiple of 62 that fits, so no character is
    // more likely than another.
    constexpr std::uint8_t kUnbiasedBelow = 248;
    TokenId id;
    for (std::size_t filled = 0; filled < id.size();) {
        std::array<std::uint8_t, 16> draw;
        HWVAULT_CHECK(fill_random(draw));
        for (const std::uint8_t byte : draw) {
            if (byte < kUnbiasedBelow && filled < id.size()) id[filled++] = kBase62[byte % kBase];
        }
    }
    return id;
}

std::optional<TokenId> parse_token_id(std::string_view text) {
    if (text.size() != kTokenIdSize || !is_base62(bytes_of(text))) return std::nullopt;
    TokenId id;
    std::ranges::copy(text, id.begin());
    return id;
}

std::uint64_t number_of(const TokenId& id) {
    static_assert(kTokenIdSize == 10);  // 62^10 < 2^64
    std::uint64_t number = 0;
    for (const char c : id) number = number * kBase + kBase62.find(c);
    return number;
}

TokenId id_of(std::uint64_t number) {
    TokenId id;
    for (std::size_t i = id.size(); i-- > 0; number /= kBase) id[i] = kBase62[number % kBase];
    return id;
}

SecretBytes make_token_text(std::string_view prefix, const TokenId& id, const SecretBytes& secret) {
    SecretBytes text(prefix.size() + kTokenBodySize);
    const std::span<std::uint8_t> output = text.reveal_to_fill();
    std::ranges::copy(prefix, output.begin());
    std::ranges::copy(id, output.begin() + static_cast<std::ptrdiff_t>(prefix.size()));

    SecretBytes number = SecretBytes::copy_of(secret.reveal());
    write_base62(number.reveal_to_fill(), output.subspan(prefix.size() + kTokenIdSize, kTokenSecretSize));
    write_checksum(output);
    return text;
}

bool has_right_checksum(BytesView text) {
    const auto right = checksum(text.first(text.size() - kTokenChecksumSize));
    return std::memcmp(right.data(), text.last(kTokenChecksumSize).data(), kTokenChecksumSize) == 0;
}

void write_checksum(std::span<std::uint8_t> text) {
    std::ranges::copy(checksum(text.first(text.size() - kTokenChecksumSize)), text.last(kTokenChecksumSize).begin());
}

std::optional<TokenProof> prove_token_text(std::string_view prefix, BytesView text) {
    if (text.size() != prefix.size() + kTokenBodySize || text_of(text.first(prefix.size())) != prefix) return std::nullopt;
    const TokenParts parts = parts_of_token_text(text);
    if (!is_base62(parts.hashed) || !has_right_checksum(text)) return std::nullopt;
    TokenProof proof;
    std::memcpy(proof.id.data(), parts.id.data(), kTokenIdSize);
    proof.hash = sha256_of_block(parts.hashed);
    return proof;
}

}  // namespace hwvault::crypto
