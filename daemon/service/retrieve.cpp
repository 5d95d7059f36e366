// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Retrieve: the one verb that hands out a secret. Derived (or unsealed) in the hardware, then everything that
// allowed it is checked again, who is calling with it, the audit line is queued, and only then it is given. The line is
// durable with the next commit, at the latest Committer::kEventDelay later.
#include <utility>

#include "crypto/token_text.h"
#include "daemon/service/escrow.h"
#include "daemon/service/signal.h"
#include "daemon/service/strings.h"
#include "daemon/service/vault_service.h"

namespace hwvault::service {
namespace {

using std::chrono::steady_clock;

constexpr int kAttempts = 3;  // when the token changes while the device works

// Reads from the store, and waits for its disk no longer than a change does.
template <class Read>
boost::asio::awaitable<std::invoke_result_t<Read>> read_in_time(boost::asio::thread_pool& store_thread, Read read) {
    auto found = co_await run_until(steady_clock::now() + Committer::kDiskDeadline, store_thread, std::move(read));
    if (!found) co_return Error{ErrorCode::kBusy, "The disk of the store does not answer. Try again later."};
    co_return std::move(*found);
}

}  // namespace

Awaitable<Retrieved> VaultService::retrieve(peer::Identity who, std::string account, std::string name) {
    HWVAULT_CO_TRY(const auto place, admit(who.caller));
    HWVAULT_CO_TRY(const vault::Target target, co_await target_of(who.caller, std::move(account), std::move(name)));
    HWVAULT_CO_CHECK(open());
    HWVAULT_CO_CHECK(enter_gate(who.caller, vault::Verb::kRetrieve, target));
    for (int attempt = 1;; ++attempt) {
        const auto before = open_->vault->find(target.account, target.name);
        auto retrieved = co_await retrieve_once(who, target);
        if (retrieved || retrieved.error().code != ErrorCode::kBusy || attempt == kAttempts) co_return retrieved;
        // Whatever else is busy stays so for a while: the caller is told.
        if (before && is_current(target, *before)) co_return retrieved;
    }
}

Awaitable<Retrieved> VaultService::retrieve_once(const peer::Identity& who, const vault::Target& target) {
    HWVAULT_CO_TRY(Open* const vault, open());
    HWVAULT_CO_CHECK(gate(who.caller, vault::Verb::kRetrieve, target));
    HWVAULT_CO_CHECK(vault->committer->can_record());  // else neither the device nor a disk that hangs need be asked
    if (!vault->vault->find(target.account, target.name)) {
        HWVAULT_CO_CHECK(co_await first_use(who.caller, target));
    }
    HWVAULT_CO_CHECK(vault::retrievable(*vault->vault, target, vault->committer->now()));

    // Copies: the vault may change while the device works.
    vault::Token token = *vault->vault->find(target.account, target.name);
    const vault::Account owner = *vault->vault->find(target.account);
    if (token.origin == vault::Origin::kIssued) {
        HWVAULT_CO_TRY(token, co_await completed(std::move(token)));
    }
    auto working = token.seal_nonce ? sealed_content(who.caller, token) : derived_text(who.caller, token);
    Handing handing;
    HWVAULT_CO_TRY(handing.secret, co_await std::move(working));
    if (token.origin == vault::Origin::kIssued && !token.current().given) {
        HWVAULT_CO_TRY(handing.escrow, co_await escrow_of(owner, token, handing.secret));
    }
    HWVAULT_CO_CHECK(co_await put_on_record(who.caller, target, token, handing));
    HWVAULT_CO_TRY(const policy::Caller caller, co_await parts_.resolver.confirm(who));
    HWVAULT_CO_CHECK(settle(caller, target, token));

    const vault::Account& account = *vault->vault->find(target.account);
    co_return Retrieved{std::move(handing.secret), vault::brief_info(account, token, token.current())};
}

// A caller's own `default` is made when it is first asked for.
Awaitable<void> VaultService::first_use(policy::Caller caller, vault::Target target) {
    if (!target.name.is_default() || !policy::is_own(caller, target.account)) {
        co_return Error{ErrorCode::kNotFound, "There is no token `" + target.name.text() + "` in " + target.account.text() +
                                                  ". Make it with `hwvault create` or `hwvault import`."};
    }
    HWVAULT_CO_CHECK(limiter_.first_use(policy::party_of(caller), steady_clock::now()));
    Planning planning = [target](const vault::Vault& state, const vault::Occasion& now) -> Result<vault::Plan> {
        if (state.find(target.account, target.name)) return vault::Plan{vault::Unchanged{}};
        HWVAULT_TRY(auto plan, vault::create(state, target, {}, now));
        return vault::as_plan(std::move(plan));
    };
    Ask ask{.caller = std::move(caller), .verb = vault::Verb::kCreate, .target = target, .whole_account = true,
            .wanted = {.owners = false, .string = true, .scopes = {}, .expires_in = std::nullopt}, .has_entered = true};
    HWVAULT_CO_CHECK(co_await change(std::move(ask), std::move(planning)));
    co_return Result<void>{};
}

Awaitable<vault::Token> VaultService::completed(vault::Token token) {
    if (recent_.complete(token.generations.back())) co_return token;
    auto stored = co_await read_in_time(parts_.store_thread, [this, record = token.id] { return open_->store->read_token(record); });
    if (!stored) co_return stored.error();
    if (!*stored || (*stored)->current().id != token.current().id) {
        co_return Error{ErrorCode::kBusy, "The token has just changed. Try again."};
    }
    recent_.saw((*stored)->current());
    token.generations.back() = (*stored)->current();
    co_return token;
}

Awaitable<SecretBytes> VaultService::derived_text(const policy::Caller& caller, const vault::Token& token) {
    HWVAULT_CO_TRY(const auto turn, co_await device_turn(caller));
    VaultName name{open_->vault->id(), open_->vault->prefix()};
    co_return co_await derive_string(parts_.hardware, std::move(name), token);
}

Awaitable<SecretBytes> VaultService::sealed_content(const policy::Caller& caller, const vault::Token& token) {
    const vault::Id& vault = open_->vault->id();
    const vault::Nonce nonce = *token.seal_nonce;
    auto sealed = co_await read_in_time(parts_.store_thread, [this, id = token.id] { return open_->store->read_content(id); });
    if (!sealed) co_return sealed.error();
    // The record was revoked or imported over while the store's thread was busy.
    if (!*sealed) co_return Error{ErrorCode::kBusy, "The secret has just changed. Try again."};
    HWVAULT_CO_TRY(const auto turn, co_await device_turn(caller));
    auto string = co_await unseal_string(parts_.hardware, vault, token, std::move(**sealed));
    // The content is the one of `token` only if its record still is.
    const vault::Account* account = open_->vault->account(token.account);
    const auto now = account == nullptr ? std::nullopt : open_->vault->find(account->name, token.name);
    if (!now || now->seal_nonce != nonce) {
        co_return Error{ErrorCode::kBusy, "The secret has just changed. Try again."};
    }
    co_return string;
}

Awaitable<std::optional<Bytes>> VaultService::escrow_of(vault::Account account, vault::Token token,
                                                        const SecretBytes& secret) {
    if (!open_->recipient) co_return std::optional<Bytes>{};
    if (const auto disk = open_->committer->disk(); !disk && disk.error().code == ErrorCode::kBusy) co_return disk.error();
    const std::uint64_t epoch = open_->epochs->epoch();
    auto made = co_await run_on(parts_.store_thread, [&]() -> Result<Bytes> {
        return make_escrow(*open_->recipient, {open_->vault->id(), account, token}, epoch, secret.reveal());
    });
    if (!made) co_return made.error();
    co_return std::optional{std::move(*made)};
}

bool VaultService::is_current(const vault::Target& target, const vault::Token& token) const {
    const auto now = open_->vault->find(target.account, target.name);
    return now && now->id == token.id && now->current().number == token.current().number &&
           now->seal_nonce == token.seal_nonce && now->revoked == token.revoked;
}

Awaitable<void> VaultService::put_on_record(const policy::Caller& caller, const vault::Target& target,
                                            const vault::Token& token, const Handing& handing) {
    if (token.origin != vault::Origin::kIssued) co_return Result<void>{};
    const auto proof = crypto::prove_token_text(open_->vault->prefix(), handing.secret.reveal());
    if (!proof) co_return Error{ErrorCode::kInternal, "A derived token has no valid form."};
    std::optional<crypto::Digest> on_record = token.current().hash;
    if (!token.current().given) {
        vault::FirstString string{.id = token.current().id, .hash = proof->hash, .escrow = handing.escrow};
        HWVAULT_CO_CHECK(co_await record(caller, target, std::move(string)));
        // Somebody else's may have come first.
        auto now = open_->vault->find(target.account, target.name);
        if (!now || now->current().id != token.current().id) {
            co_return Error{ErrorCode::kBusy, "The token has just changed. Try again."};
        }
        HWVAULT_CO_TRY(const vault::Token given, co_await completed(std::move(*now)));
        on_record = given.current().hash;
    }
    if (on_record == proof->hash) co_return Result<void>{};
    co_return Error{ErrorCode::kInternal,
                    "The device derived another string for " + target.account.text() + "/" + target.name.text() +
                        " than before: it is not the device that this vault was set up with. See `hwvault doctor`."};
}

Awaitable<void> VaultService::record(policy::Caller caller, vault::Target target, vault::FirstString string) {
    Touches touches{target.account.text(), target.name.text()};
    // The gate once more: what allowed this may be withdrawn by a commit that is under way.
    Planner planner = [this, caller = std::move(caller), target = std::move(target), string = std::move(string)](
                          const vault::Vault& state) -> Result<vault::Plan> {
        HWVAULT_CHECK(gate(caller, vault::Verb::kRetrieve, target));
        HWVAULT_TRY(auto plan, vault::record_hash(state, target, string));
        return vault::as_plan(std::move(plan));
    };
    HWVAULT_CO_CHECK(co_await open_->committer->commit(std::move(touches), std::move(planner)));
    co_return Result<void>{};
}

Result<void> VaultService::settle(const policy::Caller& caller, const vault::Target& target, const vault::Token& token) {
    HWVAULT_TRY(const policy::Decision decision, gate(caller, vault::Verb::kRetrieve, target));
    HWVAULT_CHECK(vault::retrievable(*open_->vault, target, open_->committer->now()));
    if (!is_current(target, token)) return Error{ErrorCode::kBusy, "The token has just changed. Try again."};
    const vault::UnixTime now = open_->committer->now();
    HWVAULT_CHECK(open_->committer->record({.time = now,
                                            .verb = vault::Verb::kRetrieve,
                                            .actor = actor_of(caller),
                                            .account = target.account.text(),
                                            .name = target.name.text(),
                                            .token_id = std::string(crypto::id_text(token.current().id)),
                                            .generation = token.current().number,
                                            .decided_by = decision.rule}));
    used(token.id, caller, now);
    return {};
}

}  // namespace hwvault::service
