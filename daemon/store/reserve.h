// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Space that is kept for when the disk is full: files of nothing beside the store, given up so that what must still be
// written can be. The first for whatever comes, the second for what takes trust away and is small, so that no flood of
// anything else stops a revocation.
//
// Another program on the same disk may take the space in the moment in which it is given up. Blocking; for one thread at a
// time.
#pragma once

#include <array>
#include <cstddef>
#include <filesystem>

namespace hwvault::store {

class Reserve {
public:
    static constexpr std::size_t kPartSize = 8 << 20;  // bytes: some 20,000 events, or as many revocations
    // Bytes that must be free for a part to be made, so that making it is not what fills the disk.
    static constexpr std::size_t kEnough = 4 * kPartSize;

    // Of the store `file`: its parts are `file`.reserve and `file`.reserve-revocations.
    explicit Reserve(const std::filesystem::path& file);

    // Makes the parts that are not there, as far as there is enough space for them.
    void keep();
    // Both parts are there.
    [[nodiscard]] bool whole() const { return parts_[0].kept && parts_[1].kept; }
    // Gives up the next part that may be used for what is to be written; false when there is none.
    bool give_up(bool urgent);

private:
    struct Part {
        std::filesystem::path file;
        bool kept{false};
    };
    std::array<Part, 2> parts_;  // in the order in which they are given up
};

}  // namespace hwvault::store
