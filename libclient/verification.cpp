// SPDX-License-Identifier: LGPL-2.1-or-later
#include "libclient/verification.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <span>
#include <string_view>

#include "crypto/token_text.h"

namespace hwvault::libclient {
namespace {

template <std::size_t Size>
void copy_text(char (&target)[Size], std::string_view text) {
    const std::size_t length = std::min(text.size(), Size - 1);  // what is longer was refused, or never made
    std::memcpy(target, text.data(), length);
    target[length] = '\0';
}

// A 1 for each NUL among the first bytes of `text`, as many as a slot has.
std::uint64_t nuls_in(const char* text) {
    constexpr std::uint64_t kLow = 0x7f7f7f7f7f7f7f7fULL;
    std::uint64_t nuls = 0;
    for (std::size_t at = 0; at < index::kTextOfSlot; at += 8) {
        std::uint64_t word = 0;
        std::memcpy(&word, text + at, sizeof word);
        if constexpr (std::endian::native == std::endian::big) word = __builtin_bswap64(word);
        const std::uint64_t marks = ~(((word & kLow) + kLow) | word | kLow);  // the high bit of each byte that is NUL
        nuls |= (marks >> 7) * 0x0102040810204080ULL >> 56 << at;             // those bits, gathered
    }
    return nuls;
}

// What begins at `text` and ends with a NUL within as many bytes as a slot has; what comes after it there has no meaning.
template <std::size_t Size>
void copy_short(char (&target)[Size], const char* text) {
    static_assert(Size > index::kTextOfSlot);
    std::memcpy(target, text, index::kTextOfSlot);
    target[index::kTextOfSlot] = '\0';
}

// Nearly all are like this: then nothing is done that depends on how long which text is.
void write_short_texts(const index::Found& found, hwvault_verification& result) {
    const char* const text = found.text.data();
    const std::uint64_t nuls = nuls_in(text);
    const int account_size = std::countr_zero(nuls);
    const int name_end = std::countr_zero(nuls & (nuls - 1));
    copy_short(result.account, text);
    copy_short(result.name, text + account_size + 1);
    copy_short(result.scopes, text + name_end + 1);
}

void write_texts(const index::Found& found, hwvault_verification& result) {
    copy_text(result.account, found.account());
    copy_text(result.name, found.name());
    copy_text(result.scopes, found.scope_texts());  // each with its NUL already
}

}  // namespace

void write_inactive(hwvault_verification& result) {
    result.active = 0;
    result.scope_count = 0;
    result.generation = 0;
    result.expires_at = 0;
    result.id[0] = result.name[0] = result.account[0] = result.scopes[0] = '\0';
}

void write(const Verification& verification, hwvault_verification& result) {
    result.active = verification.active ? 1 : 0;
    result.generation = verification.info.generation;
    result.expires_at = verification.info.expires_at;
    copy_text(result.id, verification.info.id);
    copy_text(result.name, verification.info.name);
    copy_text(result.account, verification.info.account);
    result.scope_count = 0;
    std::span<char> room(result.scopes);
    for (const std::string& scope : verification.info.scopes) {
        if (scope.size() >= room.size()) break;
        std::memcpy(room.data(), scope.c_str(), scope.size() + 1);
        room = room.subspan(scope.size() + 1);
        ++result.scope_count;
    }
}

void write(BytesView token, const index::Found& found, hwvault_verification& result) {
    result.active = 1;
    result.generation = found.generation;
    result.expires_at = static_cast<std::int64_t>(found.expires_at);
    static_assert(sizeof result.id > crypto::kTokenIdSize);
    std::memcpy(result.id, crypto::parts_of_token_text(token).id.data(), crypto::kTokenIdSize);
    result.id[crypto::kTokenIdSize] = '\0';
    if (found.text_size <= index::kTextOfSlot) write_short_texts(found, result);
    else write_texts(found, result);
    result.scope_count = found.scopes;
}

}  // namespace hwvault::libclient
