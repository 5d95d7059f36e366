// SPDX-License-Identifier: LGPL-2.1-or-later
//
// A verify index that hwvaultd has handed over, mapped in this process: tokens are verified here, and that they were is noted
// for hwvaultd.
//
// A verify makes no system call (the clock is the vDSO's), takes no lock and allocates nothing. Thread-safe.
#pragma once

#include <array>
#include <memory>
#include <optional>
#include <span>

#include "libclient/index/view.h"
#include "os/shared_memory.h"

namespace hwvault::index {

class Table {
public:
    // The descriptors as they came; kInvalidArgument unless both are sealed and of one table.
    static Result<std::shared_ptr<const Table>> map(os::Fd index, os::Fd stamps);

    // Whether a token is active; then `found` is filled. nullopt when the table cannot be trusted (any more): ask hwvaultd
    // itself, and for its new table.
    [[nodiscard]] std::optional<bool> verify(BytesView token, Found& found) const;

    // Verifies up to kAtOnce tokens with their fetches overlapping, and calls take(i, nullptr or what was found) for each.
    // False when the table could not be trusted: then what was taken is worth nothing.
    static constexpr std::size_t kAtOnce = 16;  // one fetch from memory takes about two hashes
    template <class Take>
    [[nodiscard]] bool verify_some(std::span<const BytesView> tokens, Take take) const;

    [[nodiscard]] bool is_trusted() const { return view_.is_trusted(now()); }

private:
    Table(os::SharedMemory index, os::SharedMemory stamps, std::uint32_t slots);

    static std::uint64_t now();
    // As the view's, and asks for the stamp.
    [[nodiscard]] bool begin(BytesView token, View::Search& search) const;
    void note_use(std::uint32_t slot, std::uint64_t now) const;

    os::SharedMemory index_;
    os::SharedMemory stamps_;
    Stamp* uses_;
    View view_;
};

template <class Take>
bool Table::verify_some(std::span<const BytesView> tokens, Take take) const {
    struct Begun {
        bool is_token;
        View::Search search;
    };
    std::array<Begun, kAtOnce> all;
    for (std::size_t i = 0; i < tokens.size(); ++i) all[i].is_token = begin(tokens[i], all[i].search);
    const std::uint64_t time = now();
    Found found;
    for (std::size_t i = 0; i < tokens.size(); ++i) {
        const bool active = all[i].is_token && view_.finish(all[i].search, time, found);
        if (active) note_use(found.slot, time);
        take(i, active ? &found : nullptr);
    }
    return view_.is_trusted(time);
}

}  // namespace hwvault::index
