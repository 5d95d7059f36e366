// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The verbs that change the vault. Each is a plan of daemon/vault/lifecycle.h, carried out by the committer.
#include <algorithm>
#include <utility>

#include "daemon/service/strings.h"
#include "daemon/service/vault_service.h"

namespace hwvault::service {
namespace {

// Owners alone change whose an account is, if it is there; everything else makes a string.
bool are_owners_alone(const vault::CreateOptions& options) {
    return options.owners && !options.scopes && !options.expires_in && !options.description;
}

policy::Wanted wanted_by(const vault::CreateOptions& options, bool makes_string) {
    return {.owners = options.owners.has_value(),
            .string = makes_string,
            .scopes = options.scopes.value_or(std::vector<std::string>()),
            .expires_in = options.expires_in};
}

// Whether the generation with this id is on record still.
bool has_generation(const vault::Vault& state, const vault::Target& target, std::string_view id) {
    const auto token = state.find(target.account, target.name);
    return token && std::ranges::any_of(token->generations, [id](const vault::Generation& generation) {
        return crypto::id_text(generation.id) == id;
    });
}

}  // namespace

// Policy is asked before the change waits for its turn, so that a refusal costs nothing, and again when it is
// planned, so that a permission withdrawn meanwhile counts.
Awaitable<Committed> VaultService::change(Ask ask, Planning planning) {
    HWVAULT_CO_TRY(Open* const vault, open());
    auto entered = ask.has_entered ? gate(ask.caller, ask.verb, ask.target, ask.wanted)
                                   : enter_gate(ask.caller, ask.verb, ask.target, ask.wanted);
    HWVAULT_CO_TRY(const policy::Decision decision, std::move(entered));
    HWVAULT_CO_TRY(vault::Occasion now, occasion(ask.caller, decision));
    Touches touches{ask.target.account.text(), std::nullopt};
    if (!ask.whole_account) touches.name = ask.target.name.text();
    Planner planner = [this, ask, now = std::move(now),
                       planning = std::move(planning)](const vault::Vault& state) -> Result<vault::Plan> {
        HWVAULT_CHECK(gate(ask.caller, ask.verb, ask.target, ask.wanted));
        return planning(state, now);
    };
    co_return co_await vault->committer->commit(std::move(touches), std::move(planner));
}

vault::Info VaultService::info_after(const vault::Target& target, const Committed& committed) const {
    vault::Info info;
    if (const auto token = open_->vault->find(target.account, target.name)) {
        info = info_of(*open_->vault->find(target.account), *token);
    }
    info.rollback_protected = committed.rollback_protected;
    return info;
}

Awaitable<vault::Info> VaultService::create(policy::Caller caller, std::string account, std::string name,
                                            vault::CreateOptions options) {
    HWVAULT_CO_TRY(const auto place, admit(caller));
    HWVAULT_CO_TRY(const vault::Target target, co_await target_of(caller, std::move(account), std::move(name)));
    HWVAULT_CO_TRY(Open* const vault, open());
    const bool makes_string = !are_owners_alone(options) || vault->vault->find(target.account) == nullptr;
    Planning planning = [target, options, makes_string](const vault::Vault& state,
                                                        const vault::Occasion& now) -> Result<vault::Plan> {
        // It would make a string now, and the policy was asked about owners.
        if (!makes_string && state.find(target.account) == nullptr) {
            return Error{ErrorCode::kBusy, "The account has just gone. Try again."};
        }
        HWVAULT_TRY(auto plan, vault::create(state, target, options, now));
        return vault::as_plan(std::move(plan));
    };
    Ask ask{.caller = std::move(caller), .verb = vault::Verb::kCreate, .target = target, .whole_account = true,
            .wanted = wanted_by(options, makes_string)};
    HWVAULT_CO_TRY(const Committed committed, co_await change(std::move(ask), std::move(planning)));
    co_return info_after(target, committed);
}

Awaitable<Bytes> VaultService::sealed(const policy::Caller& caller, const vault::Token& token, const SecretBytes& secret) {
    HWVAULT_CO_TRY(const auto turn, co_await device_turn(caller));
    co_return co_await seal_string(parts_.hardware, open_->vault->id(), token, secret);
}

Awaitable<vault::Info> VaultService::import(policy::Caller caller, std::string account, std::string name,
                                            SecretBytes secret, vault::CreateOptions options) {
    HWVAULT_CO_CHECK(vault::importable(secret.size()));
    HWVAULT_CO_TRY(const auto place, admit(caller));
    HWVAULT_CO_TRY(const vault::Target target, co_await target_of(caller, std::move(account), std::move(name)));
    HWVAULT_CO_TRY(Open* const vault, open());
    const policy::Wanted wanted = wanted_by(options, true);
    HWVAULT_CO_TRY(const policy::Decision decision, enter_gate(caller, vault::Verb::kImport, target, wanted));
    HWVAULT_CO_TRY(const vault::Occasion drafting, occasion(caller, decision));
    HWVAULT_CO_TRY(vault::ImportDraft draft, vault::draft_import(*vault->vault, target, options, drafting));

    const vault::Account home = draft.new_account ? *draft.new_account : *vault->vault->find(target.account);
    HWVAULT_CO_TRY(Bytes sealed, co_await sealed(caller, draft.token, secret));
    HWVAULT_CO_TRY(draft.escrow, co_await escrow_of(home, draft.token, secret));

    Planning planning = [target, draft, sealed](const vault::Vault& state,
                                                const vault::Occasion& now) -> Result<vault::Plan> {
        HWVAULT_TRY(auto plan, vault::import(state, target, draft, sealed, now));
        return vault::as_plan(std::move(plan));
    };
    Ask ask{.caller = std::move(caller), .verb = vault::Verb::kImport, .target = target, .whole_account = true,
            .wanted = wanted, .has_entered = true};
    HWVAULT_CO_TRY(const Committed committed, co_await change(std::move(ask), std::move(planning)));
    co_return info_after(target, committed);
}

Awaitable<vault::Info> VaultService::revoke(policy::Caller caller, std::string account, std::string name,
                                            std::uint64_t generation) {
    HWVAULT_CO_TRY(const auto place, admit(caller));
    HWVAULT_CO_TRY(const vault::Target target, co_await target_of(caller, std::move(account), std::move(name)));
    Planning planning = [target, generation](const vault::Vault& state,
                                             const vault::Occasion& now) -> Result<vault::Plan> {
        HWVAULT_TRY(auto plan, vault::revoke(state, target, generation, now));
        return vault::as_plan(std::move(plan));
    };
    Ask ask{.caller = std::move(caller), .verb = vault::Verb::kRevoke, .target = target};
    HWVAULT_CO_TRY(const Committed committed, co_await change(std::move(ask), std::move(planning)));
    co_return info_after(target, committed);
}

// Whoever has the token may kill it; that it exists is told to nobody who may not know.
Awaitable<std::optional<vault::Info>> VaultService::revoke_token(policy::Caller caller, SecretBytes token) {
    HWVAULT_CO_TRY(const auto place, admit(caller));
    HWVAULT_CO_TRY(Open* const vault, open());
    const auto shown = recognise(token.reveal());
    const vault::Account* const account = shown ? vault->vault->find(shown->account) : nullptr;
    if (account == nullptr) co_return std::optional<vault::Info>{};
    const vault::Target target{.account = shown->account, .name = shown->name, .uid = account->uid};
    // Meant is the string that was shown: a generation of the same number may by now be another token's.
    Planning planning = [target, generation = shown->generation, id = shown->id](
                            const vault::Vault& state, const vault::Occasion& now) -> Result<vault::Plan> {
        if (!has_generation(state, target, id)) return vault::Plan{vault::Unchanged{}};
        HWVAULT_TRY(auto plan, vault::revoke(state, target, generation, now));
        if (auto* withdraws = std::get_if<vault::Withdraws>(&plan); withdraws && withdraws->change.event) {
            withdraws->change.event->verb = vault::Verb::kRevokeToken;
        }
        return vault::as_plan(std::move(plan));
    };
    Ask ask{.caller = caller, .verb = vault::Verb::kRevokeToken, .target = target};
    HWVAULT_CO_TRY(const Committed committed, co_await change(std::move(ask), std::move(planning)));
    if (!may_describe(caller, object_of(target.account, target.name))) co_return std::optional<vault::Info>{};
    co_return std::optional{info_after(target, committed)};
}

Awaitable<vault::Info> VaultService::rotate(policy::Caller caller, std::string account, std::string name,
                                            std::uint64_t generation, std::uint64_t overlap_seconds) {
    HWVAULT_CO_TRY(const auto place, admit(caller));
    HWVAULT_CO_TRY(const vault::Target target, co_await target_of(caller, std::move(account), std::move(name)));
    Planning planning = [target, generation, overlap_seconds](
                            const vault::Vault& state, const vault::Occasion& now) -> Result<vault::Plan> {
        HWVAULT_TRY(auto plan, vault::rotate(state, target, generation, overlap_seconds, now));
        return vault::as_plan(std::move(plan));
    };
    Ask ask{.caller = std::move(caller), .verb = vault::Verb::kRotate, .target = target};
    HWVAULT_CO_TRY(const Committed committed, co_await change(std::move(ask), std::move(planning)));
    co_return info_after(target, committed);
}

Awaitable<void> VaultService::erase(policy::Caller caller, std::string account, std::string name) {
    HWVAULT_CO_TRY(const auto place, admit(caller));
    HWVAULT_CO_TRY(const vault::Target target, co_await target_of(caller, std::move(account), std::move(name)));
    Planning planning = [target](const vault::Vault& state, const vault::Occasion& now) -> Result<vault::Plan> {
        HWVAULT_TRY(auto plan, vault::erase(state, target, now));
        return vault::Plan{std::move(plan)};
    };
    Ask ask{.caller = std::move(caller), .verb = vault::Verb::kDelete, .target = target, .whole_account = true};
    HWVAULT_CO_TRY([[maybe_unused]] const Committed committed, co_await change(std::move(ask), std::move(planning)));
    co_return Result<void>{};
}

}  // namespace hwvault::service
