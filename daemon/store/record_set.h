// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The records: the table on disk, and in memory what each row must be, so that no row is believed because it is
// in the file. About a hundred bytes of memory a record, whatever its size; a write costs the same however many
// records there are.
//
// Changes are provisional until keep(), called when their transaction has committed; discard() forgets them.
#pragma once

#include <map>
#include <optional>
#include <unordered_map>

#include "daemon/store/authentication.h"
#include "daemon/store/handles.h"
#include "daemon/store/images.h"
#include "daemon/store/set_digest.h"

namespace hwvault::store {

// A row of the table as it was read; views live until the cursor moves.
struct StoredRow {
    std::uint64_t number{0};  // SQLite's row number; without meaning, so not authenticated
    Row row;
    crypto::Digest mac{};
};
// nullopt when a column has another type or size.
std::optional<StoredRow> parse_row(const Cursor& cursor);
// Every row, in columns as parse_row() wants them.
inline constexpr std::string_view kSelectRows = "SELECT row, kind, id, version, body, content, mac, escrow FROM records";

// What lies beside a record's body. Written: nullopt leaves what is there, empty drops it.
struct Attachments {
    std::optional<BytesView> content;
    std::optional<BytesView> escrow;
};

class RecordSet {
public:
    // Both must outlive this.
    RecordSet(const Connection& connection, const Keys& keys)
        : connection_(connection), keys_(keys), images_(connection) {}
    RecordSet(const RecordSet&) = delete;
    RecordSet& operator=(const RecordSet&) = delete;

    Result<void> prepare();

    // Takes a row that is in the table, and its hash; false when one with this id is known already.
    bool know(const StoredRow& stored, const crypto::Digest& hash);

    // After the last know(), in a store whose records are signed: keeps their digest, and images of what changes after
    // the checkpoint `newest`, 0 for none.
    Result<void> begin_signing(std::uint64_t newest);
    // Both for such a store alone.
    Images& images() { return images_; }
    [[nodiscard]] crypto::Digest set_digest(const Header& header) { return digest_->value(header); }

    // Writes a record as its next version.
    Result<void> put(Kind kind, const vault::Id& id, BytesView body, const Attachments& attachments);
    Result<void> erase(const vault::Id& id);
    // nullopt: it has none. kStoreTampered when the row is not the one that was loaded or written.
    Result<std::optional<Bytes>> content(const vault::Id& id) const;
    // The body of a record that has an escrow; nullopt: it has none. Errors as content().
    Result<std::optional<Bytes>> body_with_escrow(const vault::Id& id) const;

    [[nodiscard]] std::uint64_t count() const { return count_; }
    [[nodiscard]] const SetSum& sum() const { return sum_; }
    void keep();
    void discard();

private:
    // What a row must be.
    struct Entry {
        std::uint64_t number{0};
        std::uint64_t version{0};
        crypto::Digest hash{};
        bool has_content{false};
        bool has_escrow{false};
    };
    // A copy of a row that was read and found to be what it must be.
    struct Known {
        Kind kind{Kind::kAccount};
        std::uint64_t version{0};
        Bytes body;
        std::optional<Bytes> content;
        std::optional<Bytes> escrow;
    };
    struct IdHash {
        // Ids are random, so any eight bytes of one are a hash.
        std::size_t operator()(const vault::Id& id) const noexcept;
    };

    [[nodiscard]] const Entry* find(const vault::Id& id) const;
    Result<Known> read(const vault::Id& id, const Entry& entry) const;
    Result<void> keep_image(const vault::Id& id, const Entry* before);
    Result<Entry> write(const Row& row, const Entry* before);
    void replace_term(const vault::Id& id, const Entry* before, const Entry* after);

    const Connection& connection_;
    const Keys& keys_;
    Statement insert_;
    Statement update_;
    Statement erase_;
    Statement select_;
    Images images_;
    std::optional<SetDigest> digest_;
    std::unordered_map<vault::Id, Entry, IdHash> entries_;
    std::map<vault::Id, std::optional<Entry>> provisional_;  // nullopt: erased
    std::uint64_t count_{0};
    std::uint64_t kept_count_{0};
    SetSum sum_;
    SetSum kept_sum_;
};

}  // namespace hwvault::store
