// SPDX-License-Identifier: LGPL-2.1-or-later
#include "daemon/service/recovery.h"

#include <algorithm>
#include <map>
#include <set>
#include <system_error>
#include <utility>

#include "crypto/random.h"
#include "daemon/audit/trail.h"
#include "daemon/service/escrow.h"
#include "daemon/service/signal.h"
#include "daemon/service/strings.h"
#include "daemon/vault/recovery.h"
#include "os/file.h"

namespace hwvault::service {
namespace {

using boost::asio::awaitable;
using std::filesystem::path;

constexpr std::size_t kTokensInCommit = 500;
constexpr std::size_t kBytesInCommit = 16 << 20;

// A folder for the store that is being made; gone with whatever an interrupted recovery left in it.
class Workshop {
public:
    explicit Workshop(const path& store_file) : folder_(store_file.parent_path() / "recovery.unfinished") {}
    Workshop(const Workshop&) = delete;
    Workshop& operator=(const Workshop&) = delete;
    ~Workshop() { clear(); }

    Result<void> prepare() {
        clear();
        return os::make_folder(folder_, 0700);
    }
    [[nodiscard]] path file() const { return folder_ / "store.db"; }

private:
    void clear() {
        std::error_code ignored;
        std::filesystem::remove_all(folder_, ignored);
    }
    path folder_;
};

// That the records, which the lost device signed, tell of.
vault::UnixTime latest_time(const std::vector<vault::Token>& tokens) {
    vault::UnixTime latest = 0;
    for (const vault::Token& token : tokens) latest = std::max({latest, token.changed_at, token.current().created_at});
    return latest;
}

// The new store, as it is filled.
class Filling {
public:
    Filling(const OpeningParts& parts, RecoveryOrder order, std::unique_ptr<SignedStore> from)
        : parts_(parts), order_(std::move(order)), from_(std::move(from)), records_(from_->take()) {
        for (const vault::Account& account : records_.accounts) accounts_.emplace(account.id, &account);
        recovered_.checkpoint = records_.checkpoint;
        recovered_.left_out = std::move(records_.left_out);
        // Time does not go back with a machine whose clock does: what had expired would live again.
        const vault::UnixTime newest = latest_time(records_.tokens);
        recovered_.clock_is_behind = order_.event.time < newest;
        order_.event.time = std::max(order_.event.time, newest);
    }

    awaitable<Result<Recovered>> run();

private:
    awaitable<Result<void>> take(const vault::Token& token);
    // The record with its string, under the device of now.
    awaitable<Result<vault::TokenWrite>> sealed(const vault::Account& account, vault::Token token, SecretBytes string);
    Result<vault::TokenWrite> replacement(const vault::Token& token);
    void keep(const vault::Account& account, vault::TokenWrite write);
    awaitable<Result<void>> commit();
    // Puts the recovery on the trail, and the epoch one step after where the device is.
    awaitable<Result<void>> finish(store::DeviceCounter counter);
    [[nodiscard]] std::uint64_t epoch() const { return records_.checkpoint.epoch + 1; }

    const OpeningParts& parts_;
    RecoveryOrder order_;
    std::unique_ptr<SignedStore> from_;
    SignedRecords records_;
    std::map<vault::Id, const vault::Account*> accounts_;
    std::set<vault::Id> written_;  // accounts
    std::optional<crypto::Recipient> recipient_;
    std::unique_ptr<store::Store> store_;
    vault::Change change_;
    std::size_t bytes_{0};
    Recovered recovered_;
};

awaitable<Result<Recovered>> Filling::run() {
    HWVAULT_CO_TRY(recipient_, read_recipient(parts_.recipient_file));
    recovered_.in_escrow = recipient_.has_value();
    store::Header header{.vault = records_.header.vault, .prefix = records_.header.prefix, .recipient = {}};
    if (recipient_) header.recipient = recipient_->fingerprint();
    Workshop workshop(parts_.store_file);
    HWVAULT_CO_CHECK(workshop.prepare());
    HWVAULT_CO_TRY(NewDevice device, co_await new_device(parts_.hardware, header));
    HWVAULT_CO_TRY(store_, co_await run_on(parts_.store_thread, [&]() -> Result<std::unique_ptr<store::Store>> {
        const store::DeviceCounter counter = device.counter.value_or(store::DeviceCounter{});
        HWVAULT_CHECK(store::Store::create(workshop.file(), header, device.root, counter));
        return store::Store::open(workshop.file(), device.root);
    }));
    for (const vault::Token& token : records_.tokens) HWVAULT_CO_CHECK(co_await take(token));
    HWVAULT_CO_CHECK(co_await commit());
    HWVAULT_CO_CHECK(co_await finish(device.counter.value_or(store::DeviceCounter{})));
    HWVAULT_CO_CHECK(co_await run_on(parts_.store_thread, [&] {
        store_.reset();
        return store::Store::move_into_place(workshop.file(), parts_.store_file);
    }));
    if (device.counter) recovered_.device_told = co_await outdate_other_stores(parts_, *device.counter);
    co_return std::move(recovered_);
}

awaitable<Result<void>> Filling::take(const vault::Token& token) {
    const vault::Account& account = *accounts_.at(token.account);
    const bool issued = token.origin == vault::Origin::kIssued;
    if (token.revoked || (issued && !token.current().given)) {
        vault::Token plain = token;
        plain.seal_nonce.reset();
        if (order_.revoke_all) plain.generations = {token.current()};  // what lives on in an overlap does not
        ++recovered_.without_string;
        keep(account, {.token = std::move(plain), .erase = false, .sealed_content = {}, .escrow = {}});
    } else if (issued && order_.revoke_all) {
        HWVAULT_CO_TRY(auto write, replacement(token));
        ++recovered_.replaced;
        keep(account, std::move(write));
    } else {
        auto string = co_await run_on(parts_.store_thread, [&] { return from_->string_of(account, token); });
        if (!string) {
            const bool missing = string.error().code == ErrorCode::kNotFound;
            recovered_.left_out.push_back(
                {account.name.text() + "/" + token.name.text(),
                 missing ? "is not in escrow" : "does not come back: " + string.error().message});
            co_return Result<void>{};
        }
        HWVAULT_CO_TRY(auto write, co_await sealed(account, token, std::move(*string)));
        ++recovered_.strings;
        keep(account, std::move(write));
    }
    const bool full = change_.tokens.size() >= kTokensInCommit || bytes_ >= kBytesInCommit;
    if (full) HWVAULT_CO_CHECK(co_await commit());
    co_return Result<void>{};
}

awaitable<Result<vault::TokenWrite>> Filling::sealed(const vault::Account& account, vault::Token token,
                                                     SecretBytes string) {
    HWVAULT_CO_CHECK(crypto::fill_random(token.seal_nonce.emplace()));
    HWVAULT_CO_TRY(Bytes content, co_await seal_string(parts_.hardware, records_.header.vault, token, string));
    std::optional<Bytes> escrow;
    if (recipient_) {
        const vault::EscrowPlace place{records_.header.vault, account, token};
        HWVAULT_CO_TRY(escrow, make_escrow(*recipient_, place, epoch(), string.reveal()));
    }
    co_return vault::TokenWrite{.token = std::move(token),
                                .erase = false,
                                .sealed_content = std::move(content),
                                .escrow = std::move(escrow)};
}

Result<vault::TokenWrite> Filling::replacement(const vault::Token& token) {
    HWVAULT_TRY(const vault::Fresh fresh, vault::draw_fresh());
    const vault::Occasion occasion{
        .now = order_.event.time, .actor = order_.event.actor, .decided_by = order_.event.decided_by, .fresh = fresh};
    return vault::TokenWrite{
        .token = vault::replaced(token, occasion), .erase = false, .sealed_content = {}, .escrow = {}};
}

void Filling::keep(const vault::Account& account, vault::TokenWrite write) {
    if (written_.insert(account.id).second) change_.accounts.push_back({.account = account, .erase = false});
    if (write.sealed_content) bytes_ += write.sealed_content->size();
    if (write.escrow) bytes_ += write.escrow->size();
    change_.tokens.push_back(std::move(write));
}

awaitable<Result<void>> Filling::commit() {
    store::Batch batch;
    batch.changes.push_back(std::exchange(change_, {}));
    bytes_ = 0;
    batch.epoch = records_.checkpoint.epoch;
    batch.time_mark = order_.event.time;
    co_return co_await run_on(parts_.store_thread, [&] { return store_->commit(batch); });
}

awaitable<Result<void>> Filling::finish(store::DeviceCounter counter) {
    store::Batch batch;
    batch.epoch = epoch();
    batch.time_mark = order_.event.time;
    audit::Trail trail;
    order_.event.decided_by += ", to checkpoint " + std::to_string(records_.checkpoint.sequence) + " of epoch " +
                               std::to_string(records_.checkpoint.epoch);
    batch.events.push_back(trail.append(order_.event));
    co_return co_await run_on(parts_.store_thread, [&] { return store_->rebase(counter, batch); });
}

}  // namespace

awaitable<Result<Recovered>> recover_vault(OpeningParts parts, RecoveryOrder order) {
    std::error_code ignored;
    if (std::filesystem::exists(parts.store_file, ignored)) {
        co_return Error{ErrorCode::kAlreadyExists,
                        "There is a store at " + parts.store_file.string() + " already, and it was left as it is. Move it "
                        "away if the recovered vault is to take its place."};
    }
    HWVAULT_CO_TRY(auto from, co_await run_on(parts.store_thread, [&] {
        return SignedStore::open(order.from, std::move(order.keys));
    }));
    Filling filling(parts, std::move(order), std::move(from));
    co_return co_await filling.run();
}

}  // namespace hwvault::service
