// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Looks tokens up in a mapped verify index, while hwvaultd changes it.
//
// A look costs one SHA-256, one CRC-32, and the fetch of some hundred bytes, which are asked for before the hash is computed. It
// allocates, locks and calls nothing, ends after two homes whatever is in the table, and reads nothing outside of it. Does not
// own the mapping. Thread-safe.
#pragma once

#include <array>
#include <string_view>

#include "foundation/bytes.h"
#include "foundation/result.h"
#include "libclient/index/layout.h"

namespace hwvault::index {

// What a verifier learns of an active token. Filled by look-ups; what lies behind `text_size` has no meaning, but for the bytes up
// to twice kTextOfSlot when it is no larger than that: these are NULs.
struct Found {
    std::uint32_t slot;
    std::uint32_t scopes;
    std::uint64_t generation;
    std::uint64_t expires_at;  // Unix seconds; 0: never
    std::uint32_t text_size;
    std::uint32_t account_size;
    std::uint32_t name_size;
    std::array<char, kMaxTextSize + sizeof(MoreText::text)> text;  // account, name and scopes, each with its NUL

    // Account, name, and then each scope, in the order of the text. Views into it.
    [[nodiscard]] std::string_view account() const { return {text.data(), account_size}; }
    [[nodiscard]] std::string_view name() const { return {text.data() + account_size + 1, name_size}; }
    // What lies behind the name: `scopes` texts, each with its NUL.
    [[nodiscard]] std::string_view scope_texts() const { return {text.data() + scopes_at(), text_size - scopes_at()}; }
    [[nodiscard]] std::size_t scopes_at() const { return std::size_t{account_size} + name_size + 2; }
};

class View {
public:
    // Of a table that check_layout() holds for one.
    View(const std::byte* index, std::uint32_t slots);

    // Whether `token` is in the table and live at `now`, or at the time mark if that is later: then `found` is filled, else
    // undefined. Whether the table is to be trusted is another question, for is_trusted() to answer afterwards.
    [[nodiscard]] bool find(BytesView token, std::uint64_t now, Found& found) const;

    // The same in two steps, so that the fetches of several look-ups overlap: begin() all, finish() all.
    struct Search {
        BytesView token;
        Place place;
    };
    // Asks for the memory. False when the text has not a token's form: it is not in the table, and there is nothing to finish.
    [[nodiscard]] bool begin(BytesView token, Search& search) const;
    [[nodiscard]] bool finish(const Search& search, std::uint64_t now, Found& found) const;

    // What a slot says, live or not; false while it is written anew. To who writes the table it always says something.
    bool describe(std::uint32_t number, Found& found) const;

    // True when all that was found until now was so: hwvaultd lives, writes this table and no other, and was seen within
    // kMaxSilence. Asked after a look-up, so that what was changed or wiped later cannot have been taken for an answer.
    [[nodiscard]] bool is_trusted(std::uint64_t now) const;

    [[nodiscard]] std::string_view prefix() const { return prefix_; }
    [[nodiscard]] std::uint32_t slots() const { return slots_; }

private:
    using Hash = std::array<std::uint64_t, 4>;
    [[nodiscard]] bool describe_here(std::uint32_t number, Found& found) const;
    [[nodiscard]] bool read(std::uint32_t number, const Hash& hash, std::uint64_t now, Found& found) const;

    const Header* header_;
    const Slot* table_;
    const MoreText* texts_;
    std::uint32_t slots_;
    std::string_view prefix_;
    std::uint64_t prefix_word_;  // the header's, and a 1 for each bit of it that counts
    std::uint64_t prefix_mask_;
};

// How many slots the table in `size` mapped bytes has: kInvalidArgument, with a sentence, unless it is one of this version, and of
// the size that it says.
Result<std::uint32_t> check_layout(const std::byte* index, std::size_t size);

}  // namespace hwvault::index
