// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Opening, the state of the whole, and what a change brings with it.
#include "daemon/service/vault_service.h"

#include <algorithm>
#include <limits>
#include <utility>

#include <unistd.h>

#include <boost/asio/detached.hpp>

#include "daemon/service/signal.h"
#include "foundation/hex.h"
#include "os/asio.h"

namespace hwvault::service {
namespace {

using boost::asio::awaitable;
using boost::asio::use_awaitable;
using std::chrono::steady_clock;

constexpr auto kRetryOpening = std::chrono::seconds(1);
// A device that is only just being opened is no news: so long the vault is "starting".
constexpr auto kDevicePatience = std::chrono::seconds(3);
constexpr auto kDescribeDeadline = std::chrono::seconds(5);
constexpr auto kCallsAtStop = std::chrono::seconds(5);   // that the end waits for calls under way
constexpr auto kLookAgain = std::chrono::milliseconds(5);
constexpr auto kDeviceAtStop = std::chrono::seconds(2);  // that the end waits until the device knows everything
constexpr std::size_t kShownDigest = 8;    // bytes of the policy's, in Status
constexpr os::Turns::Limits kListings{  // each at work has its share of the strand
    .at_once = std::numeric_limits<std::size_t>::max(), .at_once_of_one = 2};
// Enough to keep every worker of the hardware child busy (dev/bench has as many in flight), and so few that who comes
// next waits for one round of a TPM, not for a queue. One party alone may use them all.
constexpr os::Turns::Limits kAtDevice{.at_once = 16, .at_once_of_one = 16};

std::string_view state_word(ErrorCode reason) {
    switch (reason) {
        case ErrorCode::kBusy: return "starting";
        case ErrorCode::kNotInitialised: return "not-initialised";
        case ErrorCode::kHardwareLocked: return "hardware-locked";
        case ErrorCode::kHardwareUnavailable: return "hardware-unavailable";
        case ErrorCode::kRolledBack: return "rolled-back";
        case ErrorCode::kStoreTampered: return "store-tampered";
        default: return "failed";
    }
}

// What may pass by itself: the device comes back, or an administrator sets the vault up.
bool may_pass(ErrorCode reason) {
    return reason == ErrorCode::kHardwareUnavailable || reason == ErrorCode::kHardwareLocked ||
           reason == ErrorCode::kNotInitialised || reason == ErrorCode::kBusy;
}

}  // namespace

VaultService::VaultService(Parts parts)
    : parts_(std::move(parts)),
      listings_(parts_.strand, kListings),
      device_turns_(parts_.strand, kAtDevice),
      watchers_(parts_.strand),
      retry_(parts_.strand),
      started_at_(parts_.clock()) {}

void VaultService::start() {
    parts_.hardware.on_state_change([this] {
        retry_.cancel();
        if (open_ && parts_.hardware.state()) {
            boost::asio::co_spawn(
                parts_.strand, [this]() -> awaitable<void> { (void)co_await look_at_device(); }, boost::asio::detached);
        }
        announce();
    });
    boost::asio::co_spawn(
        parts_.strand, [this]() -> awaitable<void> { co_await bring_up(); }, boost::asio::detached);
}

// Those that a door has let go of at its own deadline.
awaitable<void> VaultService::calls_end() {
    const auto deadline = steady_clock::now() + kCallsAtStop;
    boost::asio::steady_timer pause(parts_.strand);
    while (!limiter_.is_idle() && steady_clock::now() < deadline) {
        pause.expires_after(kLookAgain);
        co_await pause.async_wait(os::kAsTuple);
    }
}

awaitable<void> VaultService::stop() {
    stopping_ = true;
    retry_.cancel();
    parts_.hardware.on_state_change([] {});
    co_await calls_end();
    if (!open_) co_return;
    open_->epochs->end_batch();
    if (const auto flushed = co_await open_->committer->flush(); !flushed) {
        parts_.trouble("The last entries of the audit trail could not be written: " + flushed.error().message);
    }
    open_->committer->stop();
    const auto deadline = steady_clock::now() + kDeviceAtStop;
    if (parts_.hardware.state()) (void)co_await open_->epochs->reached(open_->epochs->epoch(), deadline);
    open_->index->stop();
    co_await open_->checkpoints->stop();
    co_await open_->audit->stop();
    co_await open_->uses->stop();  // which is worth the least
    open_->epochs->stop();
}

void VaultService::set_policy(Result<std::shared_ptr<const policy::Policy>> policy) {
    reload_trouble_ = policy ? "" : policy.error().message;
    if (!policy) return;
    const bool is_another = (*policy)->digest() != parts_.policy->digest();
    parts_.policy = std::move(*policy);
    if (is_another && open_) open_->index->withdraw();  // who may have it by these rules asks again
}

void VaultService::set_quotas(const vault::Quotas& quotas) {
    parts_.quotas = quotas;
    if (open_) open_->vault->set_quotas(quotas);
}

awaitable<void> VaultService::bring_up() {
    const auto patient_until = steady_clock::now() + kDevicePatience;
    while (!stopping_) {
        const Result<void> opened = co_await try_to_open();
        if (opened) co_return;
        if (opened.error().code != ErrorCode::kHardwareUnavailable || steady_clock::now() > patient_until) {
            reason_ = opened.error();
            announce();
        }
        if (!may_pass(reason_.code) || stopping_) co_return;
        retry_.expires_after(kRetryOpening);
        co_await retry_.async_wait(os::kAsTuple);
    }
}

// A device that came back may be bound to something else by now.
awaitable<Result<void>> VaultService::look_at_device() {
    auto device = co_await parts_.hardware.describe(steady_clock::now() + kDescribeDeadline);
    if (!device) co_return device.error();
    device_ = std::move(*device);
    co_return Result<void>{};
}

awaitable<Result<void>> VaultService::try_to_open() {
    HWVAULT_CO_CHECK(parts_.hardware.state());
    HWVAULT_CO_CHECK(co_await look_at_device());
    OpeningParts parts{.store_thread = parts_.store_thread,
                       .hardware = parts_.hardware,
                       .store_file = parts_.store_file,
                       .quotas = parts_.quotas,
                       .anti_rollback = parts_.anti_rollback,
                       .recipient_file = parts_.recipient_file,
                       .administered_by = parts_.administered_by};
    auto opened = co_await open_vault(std::move(parts));
    if (!opened) co_return opened.error();
    adopt(std::move(*opened));
    announce();
    co_return Result<void>{};
}

void VaultService::adopt(Opened opened) {
    open_ = std::make_unique<Open>();
    open_->store = std::move(opened.store);
    open_->vault = std::move(opened.vault);
    open_->vault->set_quotas(parts_.quotas);  // those of now: opening takes a while
    last_uses_ = std::move(opened.last_uses);
    const vault::UnixTime now = std::max(opened.time_mark, parts_.clock());
    for (const store::LastUse& use : opened.used_elsewhere) {
        if (use.at <= now) last_uses_.heard(use.token, use.at);
    }
    std::optional<std::uint64_t> counter;
    if (opened.device) counter = opened.device->value;
    open_->epochs = std::make_shared<EpochKeeper>(EpochKeeper::Parts{.strand = parts_.strand,
                                                                     .hardware = parts_.hardware,
                                                                     .epochs = opened.epochs,
                                                                     .device = counter,
                                                                     .mode = parts_.anti_rollback,
                                                                     .batch_interval = parts_.batch_interval});
    open_->recipient = std::move(opened.recipient);
    begin_verifying(opened);
    begin_exporting(opened);
    begin_committing(opened);
    begin_saving_uses();
    open_->epochs->on_change([this] { announce(); });
    open_->epochs->on_batch_end([this] { open_->committer->start(); });
    open_->epochs->start();
}

void VaultService::begin_verifying(Opened& opened) {
    const auto used = [this](const vault::Token& token, vault::UnixTime at) { last_uses_.heard(token.id, at); };
    VerifyIndex::Parts parts{.strand = parts_.strand,
                             .background = background_,
                             .vault = *open_->vault,
                             .clock = parts_.clock,
                             .used = used,
                             .time_mark = opened.time_mark};
    open_->index = std::make_shared<VerifyIndex>(std::move(parts), std::move(opened.index));
    open_->index->start();
}

void VaultService::begin_exporting(const Opened& opened) {
    open_->audit = std::make_shared<AuditExport>(AuditExport::Parts{
        .strand = parts_.strand,
        .store_thread = parts_.store_thread,
        .store = *open_->store,
        .sink = parts_.audit_files,
        .vault = open_->vault->id(),
        .written = opened.audit_written,
        .journal = parts_.journal,
        .trouble = parts_.trouble,
        .touched = [this](const std::string& what) { audit_touched(what); },
    });
    open_->audit->start();
}

void VaultService::begin_committing(const Opened& opened) {
    open_->committer = std::make_shared<Committer>(Committer::Parts{
        .strand = parts_.strand,
        .store_thread = parts_.store_thread,
        .store = *open_->store,
        .vault = *open_->vault,
        .epochs = open_->epochs,
        .trail = opened.trail,
        .time_mark = opened.time_mark,
        .clock = parts_.clock,
        .publishing = [this](const vault::Change& change) { publish(change); },
        .recorded = [this](std::size_t events) {
            open_->checkpoints->recorded(events);
            open_->audit->wake();
        },
        .audit_written = [this] { return open_->audit->written(); },
    });
    open_->checkpoints = std::make_shared<Checkpointer>(Checkpointer::Parts{
        .strand = parts_.strand,
        .store_thread = parts_.store_thread,
        .store = *open_->store,
        .hardware = parts_.hardware,
        .keep = [this](vault::SignedCheckpoint checkpoint) { return open_->committer->keep(std::move(checkpoint)); },
    });
    if (open_->recipient && !opened.all_signed) open_->checkpoints->changed();
    if (!opened.trail_signed) open_->checkpoints->recorded(1);
}

void VaultService::begin_saving_uses() {
    open_->uses = std::make_shared<UseSweep>(UseSweep::Parts{
        .strand = parts_.strand,
        .store_thread = parts_.store_thread,
        .background = background_,
        .store = *open_->store,
        .index = open_->index,
        .last_uses = last_uses_,
        .clock = parts_.clock,
        .disk_has_room = [this] { return store_trouble().empty(); },
        .trouble = parts_.trouble,
        .interval = parts_.use_interval,
    });
    open_->uses->start();
}

// On the trail itself, so that who did it cannot make it unsaid.
void VaultService::audit_touched(const std::string& what) {
    parts_.trouble(what);
    vault::Event event;
    event.time = open_->committer->now();
    event.verb = vault::Verb::kAudit;
    event.actor.uid = ::geteuid();
    event.decided_by = what;
    static_cast<void>(open_->committer->record(std::move(event)));  // where it cannot be recorded, it was logged
}

void VaultService::announce() {
    const Status now = status();
    const std::string state = now.state + "/" + now.hardware_state;
    if (std::exchange(announced_state_, state) != state) parts_.state_changed(now);
}

Result<VaultService::Open*> VaultService::open() const {
    if (!open_) return reason_;
    return open_.get();
}

Status VaultService::status() {
    const Result<void> hardware = parts_.hardware.state();
    Status now;
    now.version = HWVAULT_VERSION;
    now.memory_lock = word(memory_lock());
    now.policy_digest = hex_of(BytesView(parts_.policy->digest()).first(kShownDigest));
    now.reload_error = reload_trouble_;
    now.started_at = started_at_;
    now.verified = verified_;
    now.verified_inactive = verified_inactive_;
    now.hardware_state = hardware ? "available" : std::string(word(hardware.error().code));
    if (device_) {
        now.hardware_kind = device_->kind;
        now.hardware_model = device_->model;
        now.hardware_serial = device_->serial;
        now.hardware_policy = device_->policy;
        const bool counted = parts_.anti_rollback != AntiRollback::kOff;
        now.rollback_protection = hardware::word(counted ? device_->rollback_protection : hardware::RollbackProtection::kNone);
    }
    if (!open_) {
        now.state = state_word(reason_.code);
        now.message = reason_.message;
        return now;
    }
    now.epoch = open_->epochs->epoch();
    now.epoch_pending = open_->epochs->pending() + (open_->epochs->has_open_batch() ? 1 : 0);
    if (open_->recipient) now.recovery_pending = open_->checkpoints->pending();
    now.accounts = open_->vault->account_count();
    now.tokens = open_->vault->token_count();
    now.audit_sequence = open_->committer->trail().sequence();
    now.audit_head = hex_of(open_->committer->trail().head());
    now.audit_written = open_->audit->written();
    now.audit_error = open_->audit->trouble();
    now.store_error = store_trouble();
    const bool told = open_->epochs->pending() == 0;
    now.state = told ? "serving" : "catching-up";
    const std::optional<Error>& refused = open_->epochs->trouble();
    if (!hardware) {
        now.message = "Verify and Revoke go on; the rest waits for the device. " + hardware.error().message;
    } else if (refused) {
        now.hardware_state = word(refused->code);
        now.message = "The device does not take the latest revocations. " + refused->message;
    } else {
        now.message = told ? "The vault is serving." : "The device is being told of the latest revocations.";
    }
    return now;
}

std::string VaultService::store_trouble() const {
    if (const auto disk = open_->committer->disk(); !disk) return disk.error().message;
    if (open_->store->has_reserve()) return "";
    return "The disk of the store is nearly full: the space that is kept for revocations is not there, or in use. Free some.";
}

// Comes before the change is in the vault: what it erases is there still, and what it makes is in the change alone.
void VaultService::publish(const vault::Change& change) {
    open_->index->apply(change);
    forget_uses(change);
    for (const vault::TokenWrite& write : change.tokens) recent_.saw(write.token.current());
    if (open_->recipient) open_->checkpoints->changed();
    if (!change.notice) return;
    const auto name = vault::AccountName::parse(change.notice->account);
    const auto token_name = vault::TokenName::parse(change.notice->name);
    if (!name || !token_name) return;
    policy::Object object = object_of(*name, *token_name);
    const vault::Account* account = open_->vault->find(*name);
    for (const vault::AccountWrite& write : change.accounts) {
        account = &write.account;
        object.owners = write.account.owners;
    }
    watchers_.publish(*change.notice, [&](const policy::Caller& watcher) {
        return may_describe(watcher, object, account);
    });
}

}  // namespace hwvault::service
