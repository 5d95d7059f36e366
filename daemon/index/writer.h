// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The one writer of a verify index (libclient/index/layout.h): one table of a fixed number of slots. A token that is in it stays
// where it is.
//
// A token becomes visible when its home has its entry, and is gone for every reader before the call returns that ends it. A crash
// anywhere in between leaves readers with a table that they do not trust, since the owner's mark is the kernel's. Used by one thread at a time; the one that holds it for readers must live as long as they are to trust it.
#pragma once

#include <algorithm>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "crypto/digest.h"
#include "libclient/index/view.h"
#include "os/shared_memory.h"

namespace hwvault::index {

// Which generation of which token. No two that are in the table at once have the same account, name and generation.
struct Key {
    crypto::TokenId id{};
    std::uint64_t generation{0};
    std::string_view account;
    std::string_view name;
};

struct Entry {
    Key key;
    crypto::Digest hash{};
    bool live{true};              // not revoked; whether it has expired is the reader's to see
    std::uint64_t expires_at{0};  // Unix seconds; 0: never
    std::span<const std::string> scopes;
    std::uint32_t used{0};        // when it was last used, in Unix seconds, as far as was known before; 0: never
};

// What the table has of a token, and nobody else in memory.
struct Stored {
    crypto::Digest hash{};
    std::uint32_t used{0};  // when it was last verified in some process, in Unix seconds; 0: never, as far as is known
};

class Writer {
public:
    // `slots` from kMinSlots to kMaxSlots. kInternal when there is no memory. No reader trusts it before hold().
    static Result<std::unique_ptr<Writer>> make(std::string_view prefix, std::uint32_t slots);
    Writer(const Writer&) = delete;
    Writer& operator=(const Writer&) = delete;
    ~Writer();  // wipes; on any thread, once it was given up

    // Readers trust it from now on, as long as the calling thread lives; which is the one that calls give_up().
    Result<void> hold();

    // Puts it in, or makes what is there so. False, and nothing is changed, when it has no place: a larger table is needed.
    [[nodiscard]] bool put(const Entry& entry);
    // The following are of what is there, and do nothing, or find nothing, when it is not.
    void set(const Key& key, bool live, std::uint64_t expires_at);
    void drop(const Key& key);
    [[nodiscard]] std::optional<Stored> stored(const Key& key) const;
    // It was used at this time, if nothing later is known.
    void note_use(const Key& key, std::uint32_t at);

    // hwvaultd is alive at `now`, and its time, which never goes back, is `mark`.
    void beat(std::uint64_t now, std::uint64_t mark);
    void set_time_mark(std::uint64_t mark);

    // No reader trusts it any more; it may still be written and looked up here. Before anything changes in another table alone.
    void give_up();

    // As a reader finds it.
    [[nodiscard]] const View& view() const { return view_; }
    enum class Standing { kUnknown, kDead, kLive };
    // Of the token with this text, whether or not it has expired; `found` is filled unless it is kUnknown.
    [[nodiscard]] Standing recognise(BytesView token, Found& found) const;
    // The token in this slot, as it was found, was verified.
    void note_use(std::uint32_t slot, std::uint64_t now) {
        uses_[slot].store(static_cast<std::uint32_t>(now), std::memory_order_relaxed);
    }

    // Calls `visit(found, at)` for tokens that were verified at `since` or later: `most` of them at most, and looking at
    // kSlotsAtOnce slots at most, from number `next` on. Leaves there where to go on; false at the end.
    static constexpr std::size_t kSlotsAtOnce = 65'536;  // some 0.1 ms
    template <class Visit>
    bool visit_stamps(std::uint32_t& next, std::uint64_t since, std::size_t most, Visit visit) const;

    [[nodiscard]] std::size_t count() const { return count_; }
    // The time to make a larger one.
    [[nodiscard]] bool is_crowded() const { return count_ > slots() / 10 * 7; }
    [[nodiscard]] std::uint32_t slots() const { return view_.slots(); }
    // For readers.
    [[nodiscard]] const os::Fd& index_descriptor() const { return index_.descriptor(); }
    [[nodiscard]] const os::Fd& stamps_descriptor() const { return stamps_.descriptor(); }

private:
    // Where a token is: the `i`-th of `home`, `distance` behind it.
    struct At {
        std::uint32_t home;
        unsigned i;
        std::uint32_t distance;
        [[nodiscard]] std::uint32_t slot() const { return home + distance; }
    };

    Writer(os::SharedMemory index, os::SharedMemory stamps, std::uint32_t slots);

    // The first of the tokens that may be it, by home and tag, for which `is_it` holds.
    template <class IsIt>
    [[nodiscard]] std::optional<At> locate(const Place& place, IsIt is_it) const;
    [[nodiscard]] std::optional<At> locate(const Key& key) const;
    [[nodiscard]] std::optional<At> locate(const Place& place, const crypto::Digest& hash) const;
    [[nodiscard]] Place place_of(const crypto::TokenId& id) const;
    [[nodiscard]] std::optional<At> find_room(const Place& place) const;
    [[nodiscard]] std::optional<At> room_at(std::uint32_t home) const;
    [[nodiscard]] bool has_room_for(const Key& key, std::string_view text) const;
    void raise(std::uint32_t slot, std::uint32_t at);
    void write(Slot& slot, const Entry& entry);
    void update(Slot& slot, bool live, std::uint64_t expires_at);
    void write_text(Slot& slot, std::uint16_t sizes);
    std::uint32_t write_more(std::string_view text);
    void free_texts(const Slot& slot);
    std::uint32_t take_text();

    os::SharedMemory index_;
    os::SharedMemory stamps_;
    Header* header_;
    Slot* table_;
    MoreText* texts_;
    Stamp* uses_;
    View view_;
    std::vector<bool> taken_;           // slots that have a token
    std::vector<std::uint32_t> free_texts_;  // that were used before
    std::uint32_t next_text_{1};        // the first that was never used
    std::size_t count_{0};
    std::string text_;                  // of the entry at hand
    mutable Found found_;               // of the slot at hand
    bool held_{false};
};

template <class Visit>
bool Writer::visit_stamps(std::uint32_t& next, std::uint64_t since, std::size_t most, Visit visit) const {
    Found found;
    const std::size_t end = std::min(all_slots(slots()), next + kSlotsAtOnce);
    for (; next < end && most > 0; ++next) {
        const std::uint32_t at = uses_[next].load(std::memory_order_relaxed);
        if (at == 0 || at < since || !taken_[next]) continue;
        view_.describe(next, found);
        visit(found, at);
        --most;
    }
    return next < all_slots(slots());
}

}  // namespace hwvault::index
