// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What records were at the newest checkpoint, where they have changed since (docs/formats/escrow.md, "What has changed
// since"): the table `images`, so that the signed set can be computed at any moment.
//
// A round is the sequence of the next checkpoint. In each round the first write of a record leaves an image of what it
// replaces. Rounds whose checkpoint was never kept, since hwvaultd ended before, become one: of several images of one
// record in a round the first is the one that counts. Changes are provisional until keep(), as those of RecordSet.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <vector>

#include "daemon/store/authentication.h"
#include "daemon/store/handles.h"

namespace hwvault::store {

// What is kept of a row: enough for its hash and for what it meant, but not what was sealed or in escrow.
Bytes image_of(const Row& row);
struct Image {
    HashedRow row;
    Bytes body;
};
// Strict; nullopt when it is no image of this record.
std::optional<Image> parse_image(const vault::Id& id, BytesView bytes);

// The images that tell how records were at the checkpoint `sequence`; nullopt: there was no such record.
// kStoreTampered when one does not read as one.
Result<std::map<vault::Id, std::optional<Image>>> read_images(const Connection& connection, std::uint64_t sequence);

class Images {
public:
    // `connection` must outlive this. Writes nothing before begin().
    explicit Images(const Connection& connection) : connection_(connection) {}

    // After a start: the round after `newest`, the sequence of the checkpoint that is kept, or 0. Where there is none,
    // there is nothing to leave an image of before begin_round().
    Result<void> begin(std::uint64_t newest);
    [[nodiscard]] std::uint64_t round() const { return round_; }
    // What changes from now on is of round `round`, which is larger than the one before.
    void begin_round(std::uint64_t round);

    // Whether a record is to leave an image before it is written.
    [[nodiscard]] bool wants(const vault::Id& id) const { return active_ && !imaged_.contains(id); }
    // `before` is the row as it is; nullptr: it is a new one.
    Result<void> add(const vault::Id& id, const Row* before);
    // Those that are not needed once the checkpoint `sequence` is kept.
    Result<void> drop(std::uint64_t sequence);

    void keep();
    void discard();

private:
    Result<void> merge_rounds();

    const Connection& connection_;
    Statement insert_;
    Statement drop_;
    Statement merge_;
    std::uint64_t round_{0};
    std::uint64_t first_round_{0};  // after the start
    bool active_{false};
    bool merged_{true};             // false: rounds from before the start lie in the table
    bool merged_provisionally_{false};
    std::set<vault::Id> imaged_;  // in this round
    std::vector<vault::Id> provisional_;
};

}  // namespace hwvault::store
