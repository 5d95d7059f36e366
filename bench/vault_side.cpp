// SPDX-License-Identifier: LGPL-2.1-or-later
#include "bench/vault_side.h"

#include <chrono>
#include <exception>
#include <future>
#include <optional>
#include <span>
#include <stdexcept>
#include <utility>
#include <variant>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>

#include "daemon/audit/files.h"
#include "daemon/audit/journal.h"
#include "daemon/service/signal.h"
#include "daemon/service/strings.h"
#include "os/asio.h"

namespace hwvault::bench {
namespace {

namespace asio = boost::asio;
using asio::awaitable;
using std::chrono::steady_clock;

constexpr auto kLook = std::chrono::milliseconds(5);  // between looks at something that is waited for
constexpr vault::Quotas kNoQuotas{.tokens_per_account = 1 << 20, .tokens = 1 << 24};
// A step of the device's counter takes as long with a trail as without, and what else it is waited for would hide what the
// trail costs.
constexpr auto kCounting = service::AntiRollback::kOff;
constexpr std::size_t kSecretSize = 40;  // of an import: a third party's token, more or less
constexpr const char* kRule = "own-account";

vault::UnixTime clock_now() {
    return static_cast<vault::UnixTime>(std::chrono::system_clock::to_time_t(std::chrono::system_clock::now()));
}

// A unit, of which the trail says most.
vault::Actor actor() {
    return {.uid = 990, .user = "billing", .unit = "billing-worker.service",
            .invocation = "0123456789abcdef0123456789abcdef", .executable = "/usr/lib/billing/worker"};
}

vault::Target token_of(const Caller& caller, const std::string& name) {
    return {.account = caller.account, .name = vault::TokenName::parse(name).value(), .uid = std::nullopt};
}

std::string numbered(std::uint64_t number) {
    return "token-" + std::to_string(number);
}

void take_event_out(vault::Plan& plan) {
    if (auto* grants = std::get_if<vault::Grants>(&plan)) grants->change.event.reset();
    if (auto* withdraws = std::get_if<vault::Withdraws>(&plan)) withdraws->change.event.reset();
}

// The audit files, which wait while the vault stands still.
class FilesInTurn final : public audit::Sink {
public:
    FilesInTurn(std::unique_ptr<audit::Sink> files, std::mutex& turn) : files_(std::move(files)), turn_(turn) {}

    Result<std::optional<audit::Position>> end(const vault::Id& vault) override {
        const std::lock_guard turn(turn_);
        return files_->end(vault);
    }
    std::optional<audit::Position> end_of_full(const vault::Id& vault) override {
        const std::lock_guard turn(turn_);
        return files_->end_of_full(vault);
    }
    Result<void> set_aside_full(const vault::Id& vault) override {
        const std::lock_guard turn(turn_);
        return files_->set_aside_full(vault);
    }
    Result<void> retire() override {
        const std::lock_guard turn(turn_);
        return files_->retire();
    }
    Result<std::string> begin(const vault::Id& vault, const audit::Position& follows) override {
        const std::lock_guard turn(turn_);
        return files_->begin(vault, follows);
    }
    Result<void> append(std::span<const vault::EventLink> links) override {
        const std::lock_guard turn(turn_);
        return files_->append(links);
    }

private:
    std::unique_ptr<audit::Sink> files_;
    std::mutex& turn_;
};

}  // namespace

VaultSide::VaultSide(const std::filesystem::path& folder, const std::filesystem::path& program,
                     asio::thread_pool& store_thread, Auditing auditing)
    : auditing_(auditing),
      development_(prepare_development(folder, Simulated::kSoftHsm, program).value()),
      store_thread_(store_thread),
      device_(hardware::Client::create(io_.get_executor(), {.child = development_.child})) {}

void VaultSide::begin(awaitable<void> work, std::function<void()> done) {
    asio::co_spawn(io_, std::move(work), [done = std::move(done)](const std::exception_ptr& failure) {
        if (failure) std::rethrow_exception(failure);
        done();
    });
}

steady_clock::duration VaultSide::run_for(std::chrono::milliseconds time) {
    const auto began = steady_clock::now();
    stands_still_.unlock();
    io_.run_for(time);
    std::promise<void> store_rests;
    asio::post(store_thread_, [&store_rests] { store_rests.set_value(); });
    store_rests.get_future().wait();
    stands_still_.lock();
    return steady_clock::now() - began;
}

void VaultSide::run_until(const std::function<bool()>& done) {
    stands_still_.unlock();
    while (!done()) io_.run_one();
    stands_still_.lock();
}

awaitable<void> VaultSide::open(std::vector<Caller> callers) {
    asio::steady_timer pause(io_);
    while (!device_->state()) {
        pause.expires_after(kLook);
        co_await pause.async_wait(os::kAsTuple);
    }
    const Settings& settings = development_.settings;
    const service::OpeningParts parts{.store_thread = store_thread_,
                                      .hardware = *device_,
                                      .store_file = settings.store_file(),
                                      .quotas = kNoQuotas,
                                      .anti_rollback = kCounting,
                                      .recipient_file = settings.recipient};
    (co_await service::initialise_vault(parts, settings.prefix)).value();
    auto opened = co_await service::open_vault(parts);
    opened_ = std::move(opened).value();
    epochs_ = std::make_shared<service::EpochKeeper>(service::EpochKeeper::Parts{.strand = io_.get_executor(),
                                                                                 .hardware = *device_,
                                                                                 .epochs = opened_.epochs,
                                                                                 .device = std::nullopt,
                                                                                 .mode = kCounting,
                                                                                 .batch_interval = service::kBatchInterval});
    if (audited()) begin_exporting();
    begin_committing();
    epochs_->start();
    for (const Caller& caller : callers) co_await make_account(caller);
    if (audited()) co_await fill_trail();
}

void VaultSide::begin_exporting() {
    export_ = std::make_shared<service::AuditExport>(service::AuditExport::Parts{
        .strand = io_.get_executor(),
        .store_thread = store_thread_,
        .store = *opened_.store,
        .sink = std::make_shared<FilesInTurn>(audit::make_files(development_.settings.audit), turn_),
        .vault = opened_.vault->id(),
        .written = opened_.audit_written,
        .journal =
            [this](const vault::EventLink& link) {
                const std::lock_guard turn(turn_);
                audit::send_to_journal(link);
            },
        .trouble = [](const std::string&) {},  // these two are in trouble()
        .touched = [](const std::string&) {},
    });
    export_->start();
}

void VaultSide::begin_committing() {
    committer_ = std::make_shared<service::Committer>(service::Committer::Parts{
        .strand = io_.get_executor(),
        .store_thread = store_thread_,
        .store = *opened_.store,
        .vault = *opened_.vault,
        .epochs = epochs_,
        .trail = opened_.trail,
        .time_mark = opened_.time_mark,
        .clock = clock_now,
        .publishing = [](const vault::Change&) {},
        .recorded = [this](std::size_t) { if (export_) export_->wake(); },
        .audit_written = [this] { return export_ ? export_->written() : committer_->trail().sequence(); },
    });
}

// With `default`, which is retrieved and revoked, and `turning`, which is rotated.
awaitable<void> VaultSide::make_account(const Caller& caller) {
    for (const char* const name : {"default", "turning"}) {
        const vault::Target target = token_of(caller, name);
        Planning planning = [target](const vault::Vault& state, const vault::Occasion& now) -> Result<vault::Plan> {
            vault::CreateOptions options;
            if (state.find(target.account) == nullptr) options.owners = {"unit:" + now.actor.unit};
            HWVAULT_TRY(auto plan, vault::create(state, target, options, now));
            return vault::as_plan(std::move(plan));
        };
        co_await change(target, true, std::move(planning));
    }
}

awaitable<void> VaultSide::fill_trail() {
    const vault::Event event{.time = committer_->now(), .verb = vault::Verb::kRetrieve, .actor = actor(), .account = "app:filler",
                             .name = "default", .token_id = "", .generation = 1, .decided_by = kRule};
    for (std::uint64_t i = 0; i < store::kEntriesKept; ++i) committer_->record(event).value();
    co_await settle();
}

awaitable<void> VaultSide::settle() {
    (co_await committer_->flush()).value();
    asio::steady_timer pause(io_);
    while (export_ && export_->written() != committer_->trail().sequence()) {
        if (!export_->trouble().empty()) throw std::runtime_error(export_->trouble());
        pause.expires_after(kLook);
        co_await pause.async_wait(os::kAsTuple);
    }
}

awaitable<void> VaultSide::stop() {
    epochs_->end_batch();
    (co_await committer_->flush()).value();
    if (export_) co_await export_->stop();
    epochs_->stop();
    co_await device_->stop();
}

vault::Occasion VaultSide::occasion() {
    return {.now = committer_->now(), .actor = actor(), .decided_by = kRule, .fresh = vault::draw_fresh().value()};
}

awaitable<void> VaultSide::change(vault::Target target, bool whole_account, Planning planning) {
    service::Touches touches{target.account.text(), std::nullopt};
    if (!whole_account) touches.name = target.name.text();
    service::Planner planner = [with_event = audited(), now = occasion(),
                                planning = std::move(planning)](const vault::Vault& state) -> Result<vault::Plan> {
        HWVAULT_TRY(vault::Plan plan, planning(state, now));
        if (!with_event) take_event_out(plan);
        return plan;
    };
    const auto committed = co_await committer_->commit(std::move(touches), std::move(planner));
    if (!committed.value().changed) throw std::logic_error("A verb that is measured changed nothing.");
}

awaitable<vault::Token> VaultSide::completed(vault::Token token) {
    if (recent_.complete(token.generations.back())) co_return token;
    auto stored = co_await service::run_on(store_thread_, [this, id = token.id] { return opened_.store->read_token(id); });
    token.generations.back() = stored.value()->current();
    recent_.saw(token.current());
    co_return token;
}

awaitable<bool> VaultSide::retrieve(Caller& caller) {
    const vault::Target target = token_of(caller, "default");
    const vault::Token token = *opened_.vault->find(target.account, target.name);
    service::VaultName name{opened_.vault->id(), opened_.vault->prefix()};
    (co_await service::derive_string(*device_, std::move(name), co_await completed(token))).value();
    if (audited()) record_retrieve(target, token);
    co_return true;
}

void VaultSide::record_retrieve(const vault::Target& target, const vault::Token& token) {
    vault::Event event{.time = committer_->now(),
                       .verb = vault::Verb::kRetrieve,
                       .actor = actor(),
                       .account = target.account.text(),
                       .name = target.name.text(),
                       .token_id = std::string(crypto::id_text(token.current().id)),
                       .generation = token.current().number,
                       .decided_by = kRule};
    committer_->record(std::move(event)).value();
}

awaitable<bool> VaultSide::create(Caller& caller) {
    const vault::Target target = token_of(caller, numbered(++caller.made));
    Planning planning = [target](const vault::Vault& state, const vault::Occasion& now) -> Result<vault::Plan> {
        HWVAULT_TRY(auto plan, vault::create(state, target, {}, now));
        return vault::as_plan(std::move(plan));
    };
    co_await change(target, true, std::move(planning));
    co_return true;
}

awaitable<bool> VaultSide::import(Caller& caller) {
    const vault::Target target = token_of(caller, numbered(++caller.made));
    const SecretBytes secret(kSecretSize);
    const vault::ImportDraft draft = vault::draft_import(*opened_.vault, target, {}, occasion()).value();
    auto made = co_await service::seal_string(*device_, opened_.vault->id(), draft.token, secret);
    Planning planning = [target, draft, sealed = std::move(made).value()](const vault::Vault& state,
                                                                          const vault::Occasion& now) -> Result<vault::Plan> {
        HWVAULT_TRY(auto plan, vault::import(state, target, draft, sealed, now));
        return vault::as_plan(std::move(plan));
    };
    co_await change(target, true, std::move(planning));
    co_return true;
}

awaitable<bool> VaultSide::rotate(Caller& caller) {
    const vault::Target target = token_of(caller, "turning");
    Planning planning = [target](const vault::Vault& state, const vault::Occasion& now) -> Result<vault::Plan> {
        HWVAULT_TRY(auto plan, vault::rotate(state, target, 0, 0, now));
        return vault::as_plan(std::move(plan));
    };
    co_await change(target, false, std::move(planning));
    co_return true;
}

awaitable<bool> VaultSide::revoke(Caller& caller) {
    co_await revoke_as(vault::Verb::kRevoke, caller);
    co_return true;
}

awaitable<bool> VaultSide::revoke_token(Caller& caller) {
    co_await revoke_as(vault::Verb::kRevokeToken, caller);
    co_return true;
}

// `default` has its successor at once, so that it can be revoked again.
awaitable<void> VaultSide::revoke_as(vault::Verb verb, const Caller& caller) {
    const vault::Target target = token_of(caller, "default");
    Planning planning = [target, verb](const vault::Vault& state, const vault::Occasion& now) -> Result<vault::Plan> {
        HWVAULT_TRY(auto plan, vault::revoke(state, target, 0, now));
        if (auto* withdraws = std::get_if<vault::Withdraws>(&plan)) withdraws->change.event.value().verb = verb;
        return vault::as_plan(std::move(plan));
    };
    co_await change(target, false, std::move(planning));
}

awaitable<bool> VaultSide::erase(Caller& caller) {
    if (caller.deleted == caller.made) co_return false;
    const vault::Target target = token_of(caller, numbered(++caller.deleted));
    Planning planning = [target](const vault::Vault& state, const vault::Occasion& now) -> Result<vault::Plan> {
        HWVAULT_TRY(auto plan, vault::erase(state, target, now));
        return vault::Plan{std::move(plan)};
    };
    co_await change(target, true, std::move(planning));
    co_return true;
}

}  // namespace hwvault::bench
