// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What lies where in the verify index (docs/formats/verify-index.md): a memfd that hwvaultd alone writes, and that whoever may
// verify any token maps to read. The same code finds a token in hwvaultd and in an application.
//
//     header | slots, 96 bytes each | further texts, 128 bytes each
//
// A token's id says which slot is its home. The token lies there or in one of the kReach slots behind it, and the home says in
// which, so that a look-up fetches one stretch of memory, known before anything was read, and passes over nobody else's slots.
// Every value that changes while others read is an atomic. What is read of a slot counts only if its state is the same, and
// live, before and after.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include <pthread.h>

#include "crypto/token_text.h"

namespace hwvault::index {

constexpr std::array<char, 8> kMagic{'h', 'w', 'v', 'i', 'n', 'd', 'e', 'x'};
constexpr std::uint32_t kVersion = 1;

constexpr std::uint32_t kMinSlots = 1'024;
constexpr std::uint32_t kMaxSlots = 1 << 25;  // 23 million tokens in 3 GB
constexpr std::size_t kMaxTextSize = 2'456;   // of a token's account, name and scopes, each with its NUL

using Count = std::atomic<std::uint64_t>;

struct alignas(32) Slot {
    Count home;   // Home: which tokens have this slot for their home
    Count state;  // State
    Count terms;  // Terms: may change while the slot is live
    std::array<Count, 4> hash;  // SHA-256 of id and secret
    std::array<Count, 5> text;  // 32 bytes of text, and a TextEnd
};
static_assert(sizeof(Slot) == 96 && Count::is_always_lock_free);

// Where the text of a slot ends, which is account, name and scopes, each with its NUL.
struct TextEnd {
    // The last of it, or, when it does not fit, the number of a further text and then nothing.
    std::array<std::uint8_t, 6> text;
    std::uint16_t sizes;  // bits 0-8: bytes of the account, bits 9-15: of the name; without their NULs
};
static_assert(sizeof(TextEnd) == sizeof(Count));
constexpr std::size_t kTextOfSlot = sizeof(Slot::text) - sizeof(TextEnd::sizes);
constexpr std::size_t kTextBeforeMore = sizeof(Slot::text) - sizeof(TextEnd);
inline std::uint32_t number_of_more(const TextEnd& end) {
    std::uint32_t number;
    std::memcpy(&number, end.text.data(), sizeof number);
    return number;
}
constexpr std::size_t kMaxAccountSize = 0x1ff;
constexpr std::size_t kMaxNameSize = 0x7f;
constexpr std::uint16_t pack_sizes(std::size_t account, std::size_t name) { return static_cast<std::uint16_t>(account | name << 9); }
constexpr std::uint32_t account_size_of(std::uint16_t sizes) { return sizes & kMaxAccountSize; }
constexpr std::uint32_t name_size_of(std::uint16_t sizes) { return sizes >> 9; }

// Where a text goes on. Belongs to the token whose slot leads here, and is guarded by that slot's state.
struct MoreText {
    Count next;  // the number of the next; 0: none
    std::array<Count, 15> text;
};
static_assert(sizeof(MoreText) == 128);

// Bits 0-31 count: odd is live, and each change adds one. Bits 32-63: the token's generation.
using State = std::uint64_t;
constexpr bool is_live(State state) { return state % 2 == 1; }
constexpr std::uint64_t generation_of(State state) { return state >> 32; }
constexpr std::uint64_t kMaxGeneration = ~std::uint32_t{0};

// Bits 0-39: when the token expires, in Unix seconds, 0 for never. Bits 40-51: bytes of its text. Bits 52-57: its scopes.
struct Terms {
    std::uint64_t expires_at{0};
    std::uint32_t text_size{0};
    std::uint32_t scopes{0};
};
constexpr std::uint64_t kMaxExpiry = (std::uint64_t{1} << 40) - 1;
constexpr std::uint64_t pack(const Terms& terms) {
    return terms.expires_at | std::uint64_t{terms.text_size} << 40 | std::uint64_t{terms.scopes} << 52;
}
constexpr Terms unpack(std::uint64_t terms) {
    return {terms & kMaxExpiry, static_cast<std::uint32_t>(terms >> 40 & 0xfff), static_cast<std::uint32_t>(terms >> 52 & 0x3f)};
}

// Up to six tokens: in bits 4i to 4i + 3 the tag of the i-th, 1 to 15, or 0 for none; in bits 24 + 6i to 29 + 6i how far behind
// its home it lies. Bit 60: others are at their other home, and a search goes on there.
constexpr unsigned kTokensOfHome = 6;
constexpr std::uint32_t kReach = 64;  // slots, the home itself included
constexpr std::uint64_t kGoOn = std::uint64_t{1} << 60;
constexpr std::uint32_t tag_in(std::uint64_t home, unsigned i) { return static_cast<std::uint32_t>(home >> 4 * i & 0xf); }
constexpr std::uint32_t distance_in(std::uint64_t home, unsigned i) { return static_cast<std::uint32_t>(home >> (24 + 6 * i) & 0x3f); }
constexpr std::uint64_t token_at(unsigned i, std::uint32_t tag, std::uint32_t distance) {
    return std::uint64_t{tag} << 4 * i | std::uint64_t{distance} << (24 + 6 * i);
}

// The homes of an id, and its tag.
struct Place {
    std::array<std::uint32_t, 2> homes;
    std::uint32_t tag;
};
Place place_of(const std::uint8_t* id, std::uint32_t slots);  // `id`: crypto::kTokenIdSize characters

struct Header {
    // Does not change once others have it.
    std::array<char, 8> magic;
    std::uint32_t version;
    std::uint32_t slots;         // that are homes; kReach - 1 more lie behind them
    std::array<char, 8> prefix;  // of the vault's tokens, filled up with NULs

    // A robust mutex that hwvaultd holds as long as it lives: the kernel marks its first word the moment that its owner dies
    // (set_robust_list(2)), so that no reader goes on with a table that nobody keeps up to date.
    alignas(64) pthread_mutex_t owner;
    alignas(64) std::atomic<std::uint32_t> moved;  // not 0: this table is given up. Set before anything is changed elsewhere
    Count time_mark;  // hwvaultd's time, in Unix seconds: it never goes back, as a clock may
    Count beat;                   // when hwvaultd was last seen alive, in Unix seconds
};
constexpr std::size_t kHeaderSize = 4'096;
static_assert(sizeof(Header) <= kHeaderSize);

// hwvaultd says that it is alive once a second; a table that was silent for longer than this is not trusted.
constexpr std::uint64_t kMaxSilence = 10;  // seconds

constexpr std::size_t all_slots(std::uint32_t slots) { return std::size_t{slots} + kReach - 1; }
constexpr std::size_t texts_at(std::uint32_t slots) { return (kHeaderSize + all_slots(slots) * sizeof(Slot) + 127) / 128 * 128; }
// There is a further text for each slot, which take no memory while they are not used.
constexpr std::size_t size_of(std::uint32_t slots) { return texts_at(slots) + all_slots(slots) * sizeof(MoreText); }

// When each slot's token was last verified, in Unix seconds: beside the index in a memfd that readers may write. It carries no
// trust: hwvaultd takes nothing from it but for "last used".
using Stamp = std::atomic<std::uint32_t>;
constexpr std::uint32_t kStampEvery = 60;  // seconds, at most once in which a token's stamp is written
constexpr std::size_t stamps_size(std::uint32_t slots) { return all_slots(slots) * sizeof(Stamp); }

}  // namespace hwvault::index
