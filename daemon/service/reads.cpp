// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The verbs that only look: they never wait, so none is a coroutine.
#include <algorithm>
#include <utility>

#include "daemon/service/vault_service.h"

namespace hwvault::service {
namespace {

// Tokens that one List looks at: a caller who may see few of many must not hold the strand.
constexpr std::size_t kMaxScanned = 20'000;

// A cursor is "ACCOUNT NAME" of the last token that was looked at; neither has a space.
std::string cursor_of(const vault::Account& account, const vault::Token& token) {
    return account.name.text() + " " + token.name.text();
}

vault::Vault::Position position_of(const std::string& cursor) {
    const std::size_t space = cursor.find(' ');
    if (space == std::string::npos) return {cursor, ""};
    return {cursor.substr(0, space), cursor.substr(space + 1)};
}

}  // namespace

void VaultService::used(const vault::Token& token) {
    last_used_[token.id] = open_->committer->now();
}

vault::Info VaultService::with_last_use(vault::Info info, const vault::Id& token) const {
    if (const auto found = last_used_.find(token); found != last_used_.end()) info.last_used_at = found->second;
    return info;
}

Result<Verification> VaultService::verify(const policy::Caller& caller, BytesView token) {
    HWVAULT_TRY(Open* const vault, open());
    if (!policy::may_verify_any(caller)) {
        const auto shown = vault->vault->recognise(token);
        const Error denied{ErrorCode::kAccessDenied, "You may verify the tokens of your own accounts only, and this is none."};
        if (!shown) return denied;
        const vault::Target target{.account = shown->account->name, .name = shown->token->name, .uid = caller.uid};
        if (!gate(caller, vault::Verb::kVerify, target)) return denied;
    }
    const auto active = vault->vault->verify(token, vault->committer->now());
    ++verified_;
    if (!active) {
        ++verified_inactive_;
        return Verification{};
    }
    used(*active->token);
    return Verification{.active = true,
                        .info = vault::brief_info(*active->account, *active->token, *active->generation)};
}

Result<Page> VaultService::list(const policy::Caller& caller, std::string account, std::string cursor,
                                std::uint32_t limit) {
    HWVAULT_TRY(Open* const vault, open());
    const bool all = account == "*";
    if (!all) {
        HWVAULT_TRY(const auto named, account_named(caller, account));
        account = named.text();
    }
    if (limit == 0 || limit > kMaxPage) limit = kMaxPage;

    Page page;
    std::size_t scanned = 0;
    const vault::Vault::Position from = all ? position_of(cursor) : std::max(position_of(cursor), {account, ""});
    vault->vault->visit_after(from, [&](const vault::Account& owner, const vault::Token& token) {
        if (!all && owner.name.text() != account) return false;
        if (page.infos.size() < limit && scanned++ < kMaxScanned) {
            page.next = cursor_of(owner, token);
            if (may_describe(caller, object_of(owner.name, token.name))) {
                page.infos.push_back(with_last_use(vault::full_info(owner, token), token.id));
            }
            return true;
        }
        scanned = kMaxScanned + 1;  // there is more
        return false;
    });
    if (scanned <= kMaxScanned) page.next.clear();
    return page;
}

Result<vault::Info> VaultService::describe(const policy::Caller& caller, std::string account, std::string name) {
    HWVAULT_TRY(Open* const vault, open());
    HWVAULT_TRY(const auto token_name, vault::TokenName::parse(name));
    HWVAULT_TRY(const auto account_name, account_named(caller, account));
    const vault::Target target{.account = account_name, .name = token_name, .uid = caller.uid};
    HWVAULT_CHECK(gate(caller, vault::Verb::kDescribe, target));
    const vault::Token* token = vault->vault->find(account_name, token_name);
    if (token == nullptr) {
        return Error{ErrorCode::kNotFound, "There is no token `" + token_name.text() + "` in " + account_name.text() + "."};
    }
    return with_last_use(vault::full_info(*vault->vault->find(account_name), *token), token->id);
}

Result<std::unique_ptr<Watch>> VaultService::watch(const policy::Caller& caller, std::string account) {
    HWVAULT_CHECK(open());
    if (account.empty()) {
        const auto own = policy::own_account(caller);
        account = own ? own->text() : "*";
    }
    if (account != "*") HWVAULT_CHECK(vault::AccountName::parse(account));
    return watchers_.add(caller, std::move(account));
}

}  // namespace hwvault::service
