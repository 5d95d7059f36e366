// SPDX-License-Identifier: LGPL-2.1-or-later
#include "daemon/service/opening.h"

#include <algorithm>
#include <utility>

#include "crypto/random.h"
#include "daemon/service/device_step.h"
#include "daemon/service/escrow.h"
#include "daemon/service/index_tables.h"
#include "daemon/service/revoke_all.h"
#include "daemon/service/signal.h"

namespace hwvault::service {
namespace {

using boost::asio::awaitable;
using std::chrono::steady_clock;

constexpr auto kDeviceDeadline = std::chrono::seconds(5);
constexpr std::size_t kEntropySize = 32;

hardware::Deadline soon() {
    return steady_clock::now() + kDeviceDeadline;
}

bool is_checkpoint(const vault::EventLink& link) {
    const auto entry = audit::decode(link.body);
    return entry && std::holds_alternative<vault::SignedCheckpoint>(*entry);
}

awaitable<Result<store::Header>> read_header(const OpeningParts& parts) {
    auto header = co_await run_on(parts.store_thread, [&] { return store::Store::read_header(parts.store_file); });
    if (!header && header.error().code == ErrorCode::kNotFound) {
        co_return Error{ErrorCode::kNotInitialised,
                        "There is no vault at " + parts.store_file.string() + " yet: run `hwvault init`."};
    }
    co_return header;
}

// None where the device has no counter.
awaitable<Result<std::optional<store::DeviceCounter>>> device_counter(hardware::Hardware& hardware) {
    HWVAULT_CO_TRY(auto device, co_await hardware.describe(soon()));
    if (device.rollback_protection == hardware::RollbackProtection::kNone) {
        co_return std::optional<store::DeviceCounter>{};
    }
    store::DeviceCounter counter{.value = 0, .identity = std::move(device.counter)};
    HWVAULT_CO_TRY(counter.value, co_await hardware.epoch(soon()));
    co_return std::optional{std::move(counter)};
}

// The oldest entry that is still there is vouched for by the next one, and so on to the last, which the head names.
Result<void> follow_trail(store::Store& store, const store::Contents& contents, Opened& opened, UsesOnTrail& uses) {
    audit::Trail& trail = opened.trail;
    bool intact = true;
    HWVAULT_CHECK(store.visit_events(0, [&](const vault::EventLink& link) {
        const bool is_oldest = trail.sequence() == 0 && link.sequence == contents.audit_first && link.sequence != 1;
        if (is_oldest) trail = audit::Trail(link.sequence, link.hash);
        else intact = trail.follow(link);
        if (intact) uses.see(link);
        if (link.sequence == contents.audit_sequence) opened.trail_signed = is_checkpoint(link);
        return intact;
    }));
    if (!intact || trail.sequence() != contents.audit_sequence || trail.head() != contents.audit_head) {
        return Error{ErrorCode::kStoreTampered, "The audit trail was changed: its chain breaks after entry " +
                                                    std::to_string(trail.sequence()) + "."};
    }
    opened.audit_written = contents.audit_written;
    return {};
}

// Puts the records of a store into a vault and its verify index. A token comes after its account.
class Loading {
public:
    explicit Loading(vault::Vault& vault) : vault_(vault) {}

    void take(store::Records records) {
        if (!index_) adopt(index::Writer::make(vault_.prefix(), slots_for(records.in_all)));
        for (vault::Account& account : records.accounts) vault_.load(account);
        for (std::size_t i = 0; i < records.tokens.size(); ++i) {
            if (vault_.account(records.tokens[i].account) == nullptr) {
                early_.emplace_back(std::move(records.tokens[i]), records.used[i]);
            } else {
                load(records.tokens[i], records.used[i]);
            }
        }
    }
    // The index, not much larger than it need be.
    Result<std::unique_ptr<index::Writer>> finish() {
        take({});  // so that there is a table for no records, too
        for (const auto& [token, used] : early_) {
            if (vault_.account(token.account) == nullptr) {
                return Error{ErrorCode::kStoreTampered, "The store has a token `" + token.name.text() + "` of no account."};
            }
            load(token, used);
        }
        HWVAULT_CHECK(indexed_);
        if (index_->slots() > slots_for(index_->count()) / 4 * 5) return copy_table(vault_, *index_, index_->count());
        return std::move(index_);
    }
    std::vector<store::LastUse> take_used_elsewhere() { return std::move(used_elsewhere_); }

private:
    // What has no place among the others has one in a larger table.
    void load(const vault::Token& token, vault::UnixTime used) {
        vault_.load(token);
        const std::string& account = vault_.account(token.account)->name.text();
        while (indexed_ && !put(*index_, account, token, {.before = nullptr, .used = used})) adopt(larger_table(vault_, *index_));
        const bool is_in_index = std::ranges::any_of(token.generations, &vault::Generation::given);
        if (used != 0 && !is_in_index) used_elsewhere_.push_back({.token = token.id, .at = used, .place = 0});
    }
    void adopt(Result<std::unique_ptr<index::Writer>> table) {
        if (table) index_ = std::move(*table);
        else indexed_ = table.error();
    }

    vault::Vault& vault_;
    std::unique_ptr<index::Writer> index_;  // made when it is known how many records there are
    Result<void> indexed_;
    std::vector<std::pair<vault::Token, vault::UnixTime>> early_;
    std::vector<store::LastUse> used_elsewhere_;
};

awaitable<Result<void>> mix_in_entropy(hardware::Hardware& hardware) {
    const auto entropy = co_await hardware.random(kEntropySize, soon());
    if (!entropy) co_return entropy.error();
    crypto::mix_into_generator(entropy->reveal());
    co_return Result<void>{};
}

// Everything but the comparison with the device's epoch.
awaitable<Result<Opened>> open_authentic(const OpeningParts& parts) {
    HWVAULT_CO_TRY(const auto header, co_await read_header(parts));
    auto root = co_await parts.hardware.derive(hardware::Label::kStore, store::store_context(header), soon());
    if (!root) co_return root.error();
    HWVAULT_CO_CHECK(co_await mix_in_entropy(parts.hardware));

    co_return co_await run_on(parts.store_thread, [&]() -> Result<Opened> {
        Opened opened;
        opened.vault = std::make_unique<vault::Vault>(header.vault, header.prefix, parts.quotas);
        Loading loading{*opened.vault};
        HWVAULT_TRY(opened.store, store::Store::open(parts.store_file, *root,
                                                     [&](store::Records records) { loading.take(std::move(records)); }));
        HWVAULT_TRY(opened.index, loading.finish());
        const store::Contents contents = opened.store->take_contents();
        UsesOnTrail uses;
        HWVAULT_CHECK(follow_trail(*opened.store, contents, opened, uses));
        opened.last_uses = uses.of_tokens_in(*opened.vault);
        opened.used_elsewhere = loading.take_used_elsewhere();
        opened.epochs = contents.epoch;
        opened.time_mark = contents.time_mark;
        opened.on_record = contents.recipient;
        opened.all_signed = contents.all_signed;
        return opened;
    });
}

// kRolledBack when the device does not show that this store is the latest one.
Result<void> check_latest(const Opened& opened, const std::string& administered_by) {
    if (!opened.device) return {};
    const store::EpochState& epochs = opened.epochs;
    if (opened.device->identity != epochs.counter) {
        return Error{ErrorCode::kRolledBack,
                     "The device's counter is another than the one that this store was held against, so an older copy could "
                     "not be told from the latest one. If you had a new one made, run `" + administered_by +
                         " recover --accept-rollback`, which revokes every token that the store had issued."};
    }
    if (epochs.device_target() >= opened.device->value) return {};
    const std::uint64_t newest = epochs.base + (opened.device->value - epochs.device_origin);
    return Error{ErrorCode::kRolledBack,
                 "The store is of epoch " + std::to_string(epochs.epoch) + ", but the device remembers epoch " +
                     std::to_string(newest) +
                     ": an older copy was put back, or one of before another was accepted or recovered, and what was revoked since "
                     "would live again. Put the latest copy back; or run `" + administered_by + " recover --accept-rollback`, which "
                     "revokes every token that this copy had issued."};
}

}  // namespace

awaitable<Result<Opened>> open_latest(OpeningParts parts) {
    HWVAULT_CO_TRY(Opened opened, co_await open_authentic(parts));
    if (parts.anti_rollback == AntiRollback::kOff) co_return opened;
    HWVAULT_CO_TRY(opened.device, co_await device_counter(parts.hardware));
    HWVAULT_CO_CHECK(check_latest(opened, parts.administered_by));
    co_return opened;
}

awaitable<Result<Opened>> open_vault(OpeningParts parts) {
    HWVAULT_CO_TRY(Opened opened, co_await open_latest(parts));
    HWVAULT_CO_TRY(opened.recipient, read_recipient(parts.recipient_file));
    HWVAULT_CO_CHECK(check_recipient(opened.recipient, opened.on_record));
    co_return opened;
}

awaitable<Result<std::string>> signing_key_pem(hardware::Hardware& hardware) {
    HWVAULT_CO_TRY(const auto device, co_await hardware.describe(soon()));
    co_return crypto::public_key_pem(device.signing_key);
}

awaitable<Result<NewDevice>> new_device(hardware::Hardware& hardware, store::Header header) {
    HWVAULT_CO_TRY(auto counter, co_await device_counter(hardware));
    HWVAULT_CO_CHECK(co_await mix_in_entropy(hardware));
    auto root = co_await hardware.derive(hardware::Label::kStore, store::store_context(header), soon());
    if (!root) co_return root.error();
    co_return NewDevice{std::move(*root), std::move(counter)};
}

awaitable<Result<void>> initialise_vault(OpeningParts parts, std::string prefix) {
    HWVAULT_CO_TRY(const auto recipient, read_recipient(parts.recipient_file));
    store::Header header{.vault = {}, .prefix = std::move(prefix), .recipient = {}};
    if (recipient) header.recipient = recipient->fingerprint();
    HWVAULT_CO_CHECK(crypto::fill_random(header.vault));
    HWVAULT_CO_TRY(const NewDevice device, co_await new_device(parts.hardware, header));
    co_return co_await run_on(parts.store_thread, [&] {
        return store::Store::create(parts.store_file, header, device.root, device.counter.value_or(store::DeviceCounter{}));
    });
}

awaitable<Result<void>> outdate_other_stores(const OpeningParts& parts, store::DeviceCounter counter) {
    if (parts.anti_rollback == AntiRollback::kOff) co_return Result<void>{};
    HWVAULT_CO_CHECK(co_await make_step(parts.hardware, std::move(counter), soon()));
    co_return Result<void>{};
}

awaitable<Result<Accepted>> accept_rollback(OpeningParts parts, vault::Event event) {
    HWVAULT_CO_TRY(Opened opened, co_await open_authentic(parts));
    HWVAULT_CO_TRY(opened.device, co_await device_counter(parts.hardware));
    if (check_latest(opened, parts.administered_by)) {
        co_return Error{ErrorCode::kInvalidArgument, "The store is not older than the device remembers; there is nothing to accept."};
    }
    store::Batch batch;
    batch.events.push_back(opened.trail.append(event));
    HWVAULT_CO_TRY(batch.changes, revoke_all_issued(*opened.vault, {event.time, event.actor, event.decided_by}));
    for (const vault::Change& change : batch.changes) {
        if (change.event) batch.events.push_back(opened.trail.append(*change.event));
    }
    batch.epoch = opened.epochs.epoch + 1;
    batch.time_mark = std::max(opened.time_mark, event.time);
    auto rebased = co_await run_on(parts.store_thread, [&] { return opened.store->rebase(*opened.device, batch); });
    if (!rebased) co_return rebased.error();
    Result<void> told = co_await outdate_other_stores(parts, *opened.device);
    co_return Accepted{.epoch = batch.epoch, .device_told = std::move(told)};
}

}  // namespace hwvault::service
