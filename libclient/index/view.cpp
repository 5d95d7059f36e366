// SPDX-License-Identifier: LGPL-2.1-or-later
#include "libclient/index/view.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <new>
#include <string>
#include <utility>

#include <linux/futex.h>

namespace hwvault::index {
namespace {

// A home's slot and the five behind it, where 24 of 25 tokens are: 9 lines of a processor's cache.
void fetch(const Slot& home) {
    constexpr std::size_t kLine = 64;
    const char* const bytes = reinterpret_cast<const char*>(&home);
    for (std::size_t at = 0; at < 6 * sizeof(Slot); at += kLine) __builtin_prefetch(bytes + at);
}

std::uint64_t first_word(const void* bytes) {
    std::uint64_t word = 0;
    std::memcpy(&word, bytes, sizeof word);
    return word;
}

// A 1 for each bit of a word's first bytes.
std::uint64_t mask_of(std::size_t bytes) {
    std::array<std::uint8_t, 8> mask{};
    std::fill_n(mask.begin(), std::min(bytes, mask.size()), std::uint8_t{0xff});
    return first_word(mask.data());
}

// In one go: a compiler keeps loops over atomics as they are, and here the processor is to see as far ahead as it can.
template <std::size_t Size>
void copy_words(const std::array<Count, Size>& from, char* to) {
    const auto copy = [&](std::size_t i) {
        const std::uint64_t word = from[i].load(std::memory_order_acquire);
        std::memcpy(to + i * 8, &word, 8);
    };
    [&]<std::size_t... I>(std::index_sequence<I...>) { (copy(I), ...); }(std::make_index_sequence<Size>());
}

bool has_hash(const Slot& slot, const std::array<std::uint64_t, 4>& hash) {
    const auto difference = [&]<std::size_t... I>(std::index_sequence<I...>) {
        return ((slot.hash[I].load(std::memory_order_acquire) ^ hash[I]) | ...);
    };
    return difference(std::make_index_sequence<4>()) == 0;
}

// A bit, the highest of its four, for each tag in `home` that is this one: where a nibble is zero once the tag was taken off. What
// lies above the lowest such may be a false one, as a borrow makes it, and is seen for what it is by its hash.
std::uint32_t matches(std::uint64_t home, std::uint32_t tag) {
    constexpr std::uint32_t kOnes = 0x111111;
    const std::uint32_t rest = (static_cast<std::uint32_t>(home) & 0xffffff) ^ tag * kOnes;
    return (rest - kOnes) & ~rest & (kOnes << 3);
}

}  // namespace

Place place_of(const std::uint8_t* id, std::uint32_t slots) {
    static_assert(crypto::kTokenIdSize == 10);
    std::uint64_t low = 0;
    std::uint16_t high = 0;
    std::memcpy(&low, id, sizeof low);
    std::memcpy(&high, id + sizeof low, sizeof high);
    // The finaliser of MurmurHash3: every bit of the id reaches both halves. hwvaultd draws ids, so nobody can aim.
    std::uint64_t mixed = low ^ std::uint64_t{high} << 48 ^ high;
    mixed = (mixed ^ mixed >> 33) * 0xff51afd7ed558ccdULL;
    mixed = (mixed ^ mixed >> 33) * 0xc4ceb9fe1a85ec53ULL;
    mixed ^= mixed >> 33;
    const auto home = [slots](std::uint64_t half) { return static_cast<std::uint32_t>((half & 0xffffffff) * slots >> 32); };
    return {{home(mixed >> 32), home(mixed)}, static_cast<std::uint32_t>(1 + (mixed * 0x9e3779b97f4a7c15ULL >> 56) % 15)};
}

View::View(const std::byte* index, std::uint32_t slots)
    : header_(std::launder(reinterpret_cast<const Header*>(index))),
      table_(std::launder(reinterpret_cast<const Slot*>(index + kHeaderSize))),
      texts_(std::launder(reinterpret_cast<const MoreText*>(index + texts_at(slots)))),
      slots_(slots),
      prefix_(header_->prefix.data(), ::strnlen(header_->prefix.data(), header_->prefix.size())),
      prefix_word_(first_word(header_->prefix.data())),
      prefix_mask_(mask_of(prefix_.size())) {}

bool View::find(BytesView token, std::uint64_t now, Found& found) const {
    Search search;
    return begin(token, search) && finish(search, now, found);
}

bool View::begin(BytesView token, Search& search) const {
    if (token.size() != prefix_.size() + crypto::kTokenBodySize) return false;
    if (((first_word(token.data()) ^ prefix_word_) & prefix_mask_) != 0) return false;
    search = {token, place_of(crypto::parts_of_token_text(token).id.data(), slots_)};
    fetch(table_[search.place.homes[0]]);
    return true;
}

// False for what cannot be: the slot is being written anew.
inline bool View::describe_here(std::uint32_t number, Found& found) const {
    const Slot& slot = table_[number];
    const Terms terms = unpack(slot.terms.load(std::memory_order_acquire));
    if (terms.text_size > kMaxTextSize) return false;
    found.slot = number;
    found.scopes = terms.scopes;
    found.generation = generation_of(slot.state.load(std::memory_order_acquire));
    found.expires_at = terms.expires_at;
    found.text_size = terms.text_size;
    const auto end = std::bit_cast<TextEnd>(slot.text.back().load(std::memory_order_acquire));
    found.account_size = account_size_of(end.sizes);
    found.name_size = name_size_of(end.sizes);
    copy_words(slot.text, found.text.data());
    if (found.scopes_at() > terms.text_size) return false;
    if (terms.text_size <= kTextOfSlot) {
        std::memset(found.text.data() + kTextOfSlot, 0, kTextOfSlot);
        return true;
    }
    std::size_t done = kTextBeforeMore;
    std::uint64_t next = number_of_more(end);
    for (; done < terms.text_size && next != 0 && next < all_slots(slots_); done += sizeof(MoreText::text)) {
        const MoreText& more = texts_[next];
        copy_words(more.text, found.text.data() + done);
        next = more.next.load(std::memory_order_acquire);
    }
    return done >= terms.text_size;
}

bool View::describe(std::uint32_t number, Found& found) const {
    return describe_here(number, found);
}

// What changes meanwhile shows in the state, which is read before and after. A token that was live when this began, and is not
// any more, is answered with no.
inline bool View::read(std::uint32_t number, const Hash& hash, std::uint64_t now, Found& found) const {
    const Slot& slot = table_[number];
    const State state = slot.state.load(std::memory_order_acquire);
    if (!has_hash(slot, hash) || !is_live(state) || !describe_here(number, found)) return false;
    const std::uint64_t time = std::max(now, header_->time_mark.load(std::memory_order_acquire));
    if (found.expires_at != 0 && time >= found.expires_at) return false;
    return slot.state.load(std::memory_order_acquire) == state;
}

// All that can be is done before the first look at the table, so that it is there by then.
bool View::finish(const Search& search, std::uint64_t now, Found& found) const {
    const bool is_whole = crypto::has_right_checksum(search.token);
    const crypto::Digest digest = crypto::sha256_of_block(crypto::parts_of_token_text(search.token).hashed);
    Hash hash;
    static_assert(sizeof hash == sizeof digest);
    std::memcpy(hash.data(), digest.data(), sizeof hash);
    for (const std::uint32_t number : search.place.homes) {
        const std::uint64_t home = table_[number].home.load(std::memory_order_acquire);
        for (std::uint32_t left = matches(home, search.place.tag); left != 0; left &= left - 1) {
            const auto i = static_cast<unsigned>(std::countr_zero(left)) / 4;
            if (read(number + distance_in(home, i), hash, now, found)) return is_whole;
        }
        if ((home & kGoOn) == 0) break;
    }
    return false;
}

bool View::is_trusted(std::uint64_t now) const {
    const auto& word = reinterpret_cast<const std::atomic<std::uint32_t>&>(header_->owner);
    const std::uint32_t owner = word.load(std::memory_order_acquire);
    const bool lives = (owner & FUTEX_TID_MASK) != 0 && (owner & FUTEX_OWNER_DIED) == 0;
    const std::uint64_t beat = header_->beat.load(std::memory_order_acquire);
    return lives && header_->moved.load(std::memory_order_acquire) == 0 && (now <= beat || now - beat <= kMaxSilence);
}

Result<std::uint32_t> check_layout(const std::byte* index, std::size_t size) {
    if (size < kHeaderSize) return invalid_argument("The verify index is shorter than its header.");
    const Header& header = *std::launder(reinterpret_cast<const Header*>(index));
    if (header.magic != kMagic) return invalid_argument("What came as the verify index is none.");
    if (header.version != kVersion) {
        return invalid_argument("The verify index is of version " + std::to_string(header.version) +
                                ", and this library reads version " + std::to_string(kVersion) + ": bring both up to date.");
    }
    const std::uint32_t slots = header.slots;
    if (slots < kMinSlots || slots > kMaxSlots || size != size_of(slots)) {
        return invalid_argument("The verify index has not the size that its header says.");
    }
    return slots;
}

}  // namespace hwvault::index
