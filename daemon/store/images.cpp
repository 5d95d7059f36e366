// SPDX-License-Identifier: LGPL-2.1-or-later
#include "daemon/store/images.h"

#include <algorithm>
#include <utility>

#include "foundation/fields.h"

namespace hwvault::store {
namespace {

// An empty field, or 32 bytes.
bool read_digest(FieldReader& fields, std::optional<crypto::Digest>& digest) {
    const auto field = fields.bytes();
    if (!field || (!field->empty() && field->size() != crypto::kDigestSize)) return false;
    if (!field->empty()) std::copy(field->begin(), field->end(), digest.emplace().begin());
    return true;
}

BytesView or_empty(const std::optional<crypto::Digest>& digest) {
    return digest ? BytesView{*digest} : BytesView{};
}

}  // namespace

Bytes image_of(const Row& row) {
    const HashedRow hashed = hashed_row(row);
    FieldWriter fields;
    fields.number(static_cast<std::uint64_t>(row.kind)).number(row.version).bytes(row.body);
    return fields.bytes(or_empty(hashed.content)).bytes(or_empty(hashed.escrow)).take();
}

std::optional<Image> parse_image(const vault::Id& id, BytesView bytes) {
    FieldReader fields{bytes};
    const auto kind = fields.number();
    const auto version = fields.number();
    const auto body = fields.bytes();
    if (!kind || !is_kind(*kind) || !version || !body) return std::nullopt;
    Image image{.row = {.kind = static_cast<Kind>(*kind),
                        .id = id,
                        .version = *version,
                        .body = crypto::sha256(*body),
                        .content = {},
                        .escrow = {}},
                .body = Bytes(body->begin(), body->end())};
    const bool whole = read_digest(fields, image.row.content) && read_digest(fields, image.row.escrow);
    if (!whole || !fields.finished()) return std::nullopt;
    return image;
}

Result<std::map<vault::Id, std::optional<Image>>> read_images(const Connection& connection, std::uint64_t sequence) {
    // The first image of the first round is the one that counts, so it comes last.
    HWVAULT_TRY(const Statement statement,
                connection.prepare("SELECT id, image FROM images WHERE round > ? ORDER BY round DESC, row DESC"));
    Cursor cursor{statement};
    cursor.bind(sequence);
    std::map<vault::Id, std::optional<Image>> images;
    for (;;) {
        HWVAULT_TRY(const bool found, cursor.next());
        if (!found) return images;
        const auto id_bytes = cursor.blob(0);
        vault::Id id{};
        if (!id_bytes || id_bytes->size() != id.size()) return tampered("an image of a record does not read as one.");
        std::copy(id_bytes->begin(), id_bytes->end(), id.begin());
        std::optional<Image> image;
        if (!cursor.is_null(1)) {
            image = parse_image(id, cursor.blob(1).value_or(BytesView{}));
            if (!image) return tampered("an image of a record does not read as one.");
        }
        images.insert_or_assign(id, std::move(image));
    }
}

Result<void> Images::begin(std::uint64_t newest) {
    HWVAULT_TRY(insert_, connection_.prepare("INSERT INTO images (round, id, image) VALUES (?, ?, ?)"));
    HWVAULT_TRY(drop_, connection_.prepare("DELETE FROM images WHERE round <= ?"));
    HWVAULT_TRY(merge_, connection_.prepare("UPDATE images SET round = ?1 WHERE round <> ?1"));
    round_ = first_round_ = newest + 1;
    active_ = newest != 0;
    merged_ = false;
    return {};
}

void Images::begin_round(std::uint64_t round) {
    round_ = round;
    active_ = true;
    imaged_.clear();
}

// Not at the start, which writes nothing, so that it succeeds on a full disk too. The numbers in the table are not
// believed: nothing vouches for them, and a round becomes a sequence that the device never goes back behind.
Result<void> Images::merge_rounds() {
    if (merged_) return {};
    HWVAULT_CHECK(Cursor{merge_}.bind(first_round_).run());
    merged_ = merged_provisionally_ = true;
    return {};
}

Result<void> Images::add(const vault::Id& id, const Row* before) {
    HWVAULT_CHECK(merge_rounds());
    const Bytes image = before != nullptr ? image_of(*before) : Bytes{};
    Cursor cursor{insert_};
    cursor.bind(round_).bind(BytesView{id});
    cursor.bind(before != nullptr ? std::optional<BytesView>{image} : std::nullopt);
    HWVAULT_CHECK(cursor.run());
    imaged_.insert(id);
    provisional_.push_back(id);
    return {};
}

Result<void> Images::drop(std::uint64_t sequence) {
    HWVAULT_CHECK(merge_rounds());
    return Cursor{drop_}.bind(sequence).run();
}

void Images::keep() {
    provisional_.clear();
    merged_provisionally_ = false;
}

void Images::discard() {
    if (std::exchange(merged_provisionally_, false)) merged_ = false;
    for (const vault::Id& id : provisional_) imaged_.erase(id);
    provisional_.clear();
}

}  // namespace hwvault::store
