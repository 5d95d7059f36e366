// SPDX-License-Identifier: LGPL-2.1-or-later
#include "daemon/store/salvage.h"

#include <algorithm>
#include <map>
#include <system_error>
#include <utility>

#include "daemon/store/codec.h"
#include "daemon/store/database.h"
#include "daemon/store/head.h"
#include "daemon/store/images.h"
#include "daemon/store/record_set.h"
#include "daemon/store/set_digest.h"

namespace hwvault::store {
namespace {

// SQLite leaves an empty log beside a store that it has read. This takes it away again, if there was none.
class NoNewLog {
public:
    explicit NoNewLog(const std::filesystem::path& file) : log_(file.string() + "-wal") {
        std::error_code ignored;
        was_there_ = std::filesystem::exists(log_, ignored);
    }
    NoNewLog(NoNewLog&& other) noexcept : log_(std::move(other.log_)), was_there_(std::exchange(other.was_there_, true)) {}
    NoNewLog& operator=(NoNewLog&&) = delete;
    ~NoNewLog() {
        std::error_code ignored;
        if (!was_there_ && std::filesystem::file_size(log_, ignored) == 0) std::filesystem::remove(log_, ignored);
    }

private:
    std::filesystem::path log_;
    bool was_there_{true};
};

// What the file has under one id.
struct Found {
    std::uint64_t number{0};
    HashedRow row;
    Bytes body;
};
using Rows = std::map<vault::Id, Found>;

Result<Rows> read_rows(const Connection& connection) {
    HWVAULT_TRY(const Statement statement, connection.prepare(kSelectRows));
    Cursor cursor{statement};
    Rows rows;
    for (;;) {
        HWVAULT_TRY(const bool found, cursor.next());
        if (!found) return rows;
        const auto stored = parse_row(cursor);
        if (!stored) return tampered("row " + std::to_string(cursor.number(0).value_or(0)) +
                                     " of its records does not read as one.");
        const Row& row = stored->row;
        Found place{stored->number, hashed_row(row), Bytes(row.body.begin(), row.body.end())};
        if (!rows.emplace(row.id, std::move(place)).second) {
            return tampered("row " + std::to_string(stored->number) + " of its records is there twice.");
        }
    }
}

// As the records were at the checkpoint: the images over the rows.
std::map<vault::Id, Image> rows_then(const Rows& now, std::map<vault::Id, std::optional<Image>> images) {
    std::map<vault::Id, Image> then;
    for (const auto& [id, found] : now) {
        if (!images.contains(id)) then.emplace(id, Image{found.row, found.body});
    }
    for (auto& [id, image] : images) {
        if (image) then.emplace(id, std::move(*image));
    }
    return then;
}

std::optional<vault::Account> account_in(const Rows& rows, const vault::Id& id) {
    const auto found = rows.find(id);
    if (found == rows.end() || found->second.row.kind != Kind::kAccount) return std::nullopt;
    return decode_account(found->second.body);
}

std::optional<vault::Token> token_in(const Rows& rows, const vault::Id& id) {
    const auto found = rows.find(id);
    if (found == rows.end() || found->second.row.kind != Kind::kToken) return std::nullopt;
    return decode_token(found->second.body);
}

std::string name_in(const Rows& rows, const vault::Token& token) {
    const auto account = account_in(rows, token.account);
    return (account ? account->name.text() : std::string("an account that cannot be read")) + "/" + token.name.text();
}

class FileSalvage final : public Salvage {
public:
    FileSalvage(NoNewLog log, Connection connection, Rows now)
        : log_(std::move(log)), connection_(std::move(connection)), now_(std::move(now)) {}

    Result<void> read(const Head& head);
    Salvaged take() override { return std::move(salvaged_); }
    Result<std::optional<Bytes>> escrow(const vault::Id& token) override;

private:
    bool take_record(const vault::Id& id, const Image& image);

    NoNewLog log_;  // first, so that the file is closed when it goes
    Connection connection_;
    Statement select_;
    Rows now_;
    std::map<vault::Id, crypto::Digest> escrows_then_;
    Salvaged salvaged_;
};

bool FileSalvage::take_record(const vault::Id& id, const Image& image) {
    if (image.row.kind == Kind::kAccount) {
        auto account = decode_account(image.body);
        if (!account || account->id != id) return false;
        salvaged_.accounts.push_back({std::move(*account), account_in(now_, id)});
        return true;
    }
    auto token = decode_token(image.body);
    if (!token || token->id != id) return false;
    if (image.row.escrow) escrows_then_.emplace(id, *image.row.escrow);
    salvaged_.tokens.push_back({{std::move(*token), token_in(now_, id)}, image.row.escrow.has_value()});
    return true;
}

Result<void> FileSalvage::read(const Head& head) {
    HWVAULT_TRY(select_, connection_.prepare(std::string(kSelectRows) + " WHERE row = ?"));
    salvaged_.header = head.header;
    salvaged_.checkpoint = head.checkpoint;
    if (!head.checkpoint) return {};
    HWVAULT_TRY(auto images, read_images(connection_, head.checkpoint->checkpoint.sequence));
    const auto then = rows_then(now_, std::move(images));
    SetDigest digest;
    for (const auto& [id, image] : then) {
        digest.put(id, hash_of(image.row));
        if (!take_record(id, image)) salvaged_.unreadable = true;
    }
    salvaged_.set = digest.value(head.header);
    for (const auto& [id, found] : now_) {
        const auto token = then.contains(id) ? std::nullopt : token_in(now_, id);
        if (token) salvaged_.later.push_back(name_in(now_, *token));
    }
    return {};
}

Result<std::optional<Bytes>> FileSalvage::escrow(const vault::Id& token) {
    const auto now = now_.find(token);
    const auto then = escrows_then_.find(token);
    if (now == now_.end() || then == escrows_then_.end() || !now->second.row.escrow) return std::optional<Bytes>{};
    Cursor cursor{select_};
    HWVAULT_TRY(const bool found, cursor.bind(now->second.number).next());
    const auto stored = found ? parse_row(cursor) : std::nullopt;
    if (!stored || !stored->row.escrow || crypto::sha256(*stored->row.escrow) != then->second) return std::optional<Bytes>{};
    return std::optional<Bytes>{Bytes(stored->row.escrow->begin(), stored->row.escrow->end())};
}

}  // namespace

Result<std::unique_ptr<Salvage>> Salvage::open(const std::filesystem::path& file) {
    NoNewLog log(file);
    HWVAULT_TRY(Connection connection, open_database(file, OlderSchema::kRefuse));
    HWVAULT_TRY(const StoredHead stored, read_head(connection));
    HWVAULT_TRY(Rows rows, read_rows(connection));
    auto salvage = std::make_unique<FileSalvage>(std::move(log), std::move(connection), std::move(rows));
    HWVAULT_CHECK(salvage->read(stored.head));
    return std::unique_ptr<Salvage>{std::move(salvage)};
}

}  // namespace hwvault::store
