// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What comes before a verb does anything: its place among the calls, whom it names, and whether it is allowed.
#include <utility>

#include "daemon/service/vault_service.h"

namespace hwvault::service {
namespace {

using std::chrono::steady_clock;

// With the device's own three seconds less than the ten that libhwvault gives a call.
constexpr auto kDevicePatienceOfCaller = std::chrono::seconds(5);

}  // namespace

Result<Limiter::Place> VaultService::admit(const policy::Caller& caller) {
    return limiter_.enter(policy::party_of(caller));
}

Awaitable<os::Turns::Turn> VaultService::device_turn(const policy::Caller& caller) {
    auto turn = co_await device_turns_.take(policy::party_of(caller), steady_clock::now() + kDevicePatienceOfCaller);
    if (turn) co_return std::move(*turn);
    co_return Error{ErrorCode::kBusy, "The device is at work on calls that came before yours. Try again in a few seconds."};
}

// "" is the caller's own.
Result<vault::AccountName> VaultService::account_named(const policy::Caller& caller, const std::string& account) {
    if (!account.empty()) return vault::AccountName::parse(account);
    if (auto own = policy::own_account(caller)) return *own;
    return Error{ErrorCode::kInvalidArgument, "Your uid has no account of its own. Name one, as in `app:billing`."};
}

Awaitable<vault::Target> VaultService::target_of(const policy::Caller& caller, std::string account, std::string name) {
    HWVAULT_CO_TRY(auto token_name, vault::TokenName::parse(name));
    HWVAULT_CO_TRY(auto account_name, account_named(caller, account));
    vault::Target target{.account = account_name, .name = std::move(token_name), .uid = std::nullopt};
    if (account_name.kind() != vault::AccountKind::kUser) co_return target;
    if (policy::own_account(caller) == account_name) {
        target.uid = caller.uid;
        co_return target;
    }
    auto uid = co_await parts_.resolver.uid_of(caller.uid, std::string(account_name.local()));
    if (uid) {
        target.uid = *uid;
    } else if (uid.error().code != ErrorCode::kNotFound) {
        co_return uid.error();
    }
    co_return target;
}

Result<void> VaultService::is_still_theirs(const policy::Caller& caller, const vault::Target& target) const {
    const vault::Account* account = open_->vault->find(target.account);
    if (account == nullptr || policy::own_account(caller) != target.account) return {};
    return vault::same_user(*account, target);
}

policy::Object VaultService::object_of(const vault::AccountName& account, const vault::TokenName& name) const {
    policy::Object object{.account = account, .name = name, .owners = {}};
    if (const vault::Account* found = open_->vault->find(account)) object.owners = found->owners;
    return object;
}

// The policy's answer, and before it: an account on record that belonged to another uid is nobody's own.
Result<policy::Decision> VaultService::gate(const policy::Caller& caller, vault::Verb verb,
                                            const vault::Target& target, const policy::Wanted& wanted) const {
    HWVAULT_CHECK(is_still_theirs(caller, target));
    policy::Decision decision = parts_.policy->decide(caller, verb, object_of(target.account, target.name), wanted);
    if (decision.allowed) return decision;
    std::string message = "You may not " + std::string(vault::word(verb)) + " in " + target.account.text();
    message += decision.beyond_limits ? " with these scopes, this expiry or these owners." : ".";
    message += " Ask an administrator of hwvault.";
    if (policy::is_administrator(caller)) {
        message += " (The rule that decided: " + decision.rule + ". `hwvault policy explain` says more.)";
    }
    return Error{ErrorCode::kAccessDenied, std::move(message)};
}

Result<policy::Decision> VaultService::enter_gate(const policy::Caller& caller, vault::Verb verb,
                                                  const vault::Target& target, const policy::Wanted& wanted) {
    HWVAULT_TRY(policy::Decision decision, gate(caller, verb, target, wanted));
    if (decision.rate) {
        HWVAULT_CHECK(limiter_.use_rule(decision.rule + " " + policy::party_of(caller), *decision.rate, steady_clock::now()));
    }
    return decision;
}

bool VaultService::may_describe(const policy::Caller& caller, const policy::Object& object) const {
    return may_describe(caller, object, open_->vault->find(object.account));
}

// `account` is what is on record, or was until the change that is told of; nullptr when there is none.
bool VaultService::may_describe(const policy::Caller& caller, const policy::Object& object,
                                const vault::Account* account) const {
    const bool is_former_users = account != nullptr && account->uid && *account->uid != caller.uid &&
                                 policy::own_account(caller) == object.account;
    return !is_former_users && parts_.policy->decide(caller, vault::Verb::kDescribe, object).allowed;
}

vault::Actor VaultService::actor_of(const policy::Caller& caller) {
    return {.uid = caller.uid,
            .user = caller.user.value_or(""),
            .unit = caller.unit.value_or(""),
            .invocation = caller.invocation,
            .executable = caller.executable};
}

Result<vault::Occasion> VaultService::occasion(const policy::Caller& caller, const policy::Decision& decision) {
    HWVAULT_TRY(vault::Fresh fresh, vault::draw_fresh());
    return vault::Occasion{
        .now = open_->committer->now(), .actor = actor_of(caller), .decided_by = decision.rule, .fresh = fresh};
}

}  // namespace hwvault::service
