// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The records: the table on disk, and in memory what each row must be, so that no row is believed because it is
// in the file. About forty bytes of memory a record, whatever its size; a write costs the same however many
// records there are.
//
// What is kept of a row is half of its MAC, which is over its version too: no two rows that hwvaultd ever wrote have the
// same, and nobody else can make one. The rest is read with the row when it is needed.
//
// Changes are provisional until keep(), called when their transaction has committed; discard() forgets them.
#pragma once

#include <array>
#include <map>
#include <optional>

#include "daemon/store/authentication.h"
#include "daemon/store/by_id.h"
#include "daemon/store/handles.h"
#include "daemon/store/images.h"
#include "daemon/store/set_digest.h"

namespace hwvault::store {

// A row of the table as it was read; views live until the cursor moves.
struct StoredRow {
    std::uint64_t number{0};  // SQLite's row number; without meaning, so not authenticated
    Row row;
    crypto::Digest mac{};
    std::uint64_t used{0};    // as the table `uses` has it; no part of the row
};
// nullopt when a column has another type or size.
std::optional<StoredRow> parse_row(const Cursor& cursor);
// Every row, in columns as parse_row() wants them.
inline constexpr std::string_view kSelectRows = "SELECT row, kind, id, version, body, content, mac, escrow FROM records";

// A row of the table that was found to be hwvaultd's.
struct AuthenticRow {
    vault::Id id{};
    std::uint64_t number{0};
    std::uint64_t version{0};
    RowTag tag;
    crypto::Digest term{};
};

// A record that was read, and found to be the one that was loaded or written.
struct Record {
    Kind kind{Kind::kAccount};
    std::uint64_t version{0};
    crypto::Digest hash{};  // of its row
    Bytes body;
    std::optional<Bytes> content;
    std::optional<Bytes> escrow;
};

// A record as it is to be. Beside the body: nullopt leaves what is there, empty drops it.
struct NewRecord {
    Kind kind{Kind::kAccount};
    vault::Id id{};
    BytesView body;
    std::optional<BytesView> content{};
    std::optional<BytesView> escrow{};
};

class RecordSet {
public:
    // Both must outlive this.
    RecordSet(const Connection& connection, const Keys& keys)
        : connection_(connection), keys_(keys), images_(connection) {}
    RecordSet(const RecordSet&) = delete;
    RecordSet& operator=(const RecordSet&) = delete;

    Result<void> prepare();

    // Before the first know(): how many there are, and whether their set is signed.
    void expect(std::uint64_t count, bool is_signed);
    // Takes a row that is in the table; false when one with this id is known already.
    bool know(const AuthenticRow& row);

    // After the last know(), in a store whose records are signed: keeps images of what changes after the checkpoint
    // `newest`, 0 for none.
    Result<void> begin_signing(std::uint64_t newest) { return images_.begin(newest); }
    // Both for such a store alone.
    Images& images() { return images_; }
    [[nodiscard]] crypto::Digest set_digest(const Header& header) { return digest_->value(header); }

    // nullopt: there is none. kStoreTampered when the row is not the one that was loaded or written.
    Result<std::optional<Record>> read(const vault::Id& id) const;
    // Writes a record as its next version; `before` is what read() gives of it.
    Result<void> put(const NewRecord& record, const std::optional<Record>& before);
    // With when it was last used: a later record may have its row.
    Result<void> erase(const vault::Id& id);

    // Beside the record, and no part of it; nothing where there is none. These two while nothing is provisional.
    Result<void> save_use(const vault::Id& id, std::uint64_t at, std::uint64_t now);
    [[nodiscard]] std::uint64_t place_of(const vault::Id& id) const;

    [[nodiscard]] std::uint64_t count() const { return count_; }
    [[nodiscard]] const SetSum& sum() const { return sum_; }
    void keep();
    void discard();

private:
    // What a row must be.
    struct Entry {
        std::uint64_t number{0};
        std::array<std::uint8_t, 16> mac{};  // the first half of it
    };
    // What was written and is not kept yet.
    struct Provisional {
        Entry entry;
        crypto::Digest hash{};
    };

    static Entry entry_of(std::uint64_t number, const crypto::Digest& mac);
    [[nodiscard]] const Entry* find(const vault::Id& id) const;
    Result<Record> read(const vault::Id& id, const Entry& entry) const;
    Result<void> keep_image(const vault::Id& id, const std::optional<Record>& before);
    Result<Provisional> write(const Row& row);
    void add_term(const vault::Id& id, std::uint64_t version, const crypto::Digest& hash);
    void subtract_term(const vault::Id& id, const Record& before);

    const Connection& connection_;
    const Keys& keys_;
    Statement insert_;
    Statement update_;
    Statement erase_;
    Statement select_;
    Statement save_use_;
    Statement forget_use_;
    Images images_;
    std::optional<SetDigest> digest_;
    ById<Entry> entries_;
    std::map<vault::Id, std::optional<Provisional>> provisional_;  // nullopt: erased
    std::uint64_t count_{0};
    std::uint64_t kept_count_{0};
    SetSum sum_;
    SetSum kept_sum_;
};

}  // namespace hwvault::store
