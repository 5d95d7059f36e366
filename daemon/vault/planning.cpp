// SPDX-License-Identifier: LGPL-2.1-or-later
#include "daemon/vault/planning.h"

#include <algorithm>
#include <iterator>
#include <utility>

namespace hwvault::vault {
namespace {

Result<Account> new_account(const Target& target, const CreateOptions& options, const Occasion& occasion) {
    Account account{.id = occasion.fresh.account_id,
                    .name = target.account,
                    .uid = std::nullopt,
                    .owners = {},
                    .created_at = occasion.now};
    if (target.account.kind() == AccountKind::kApp) {
        if (!options.owners || options.owners->empty()) {
            return invalid_argument(target.account.text() + " is new: an administrator names its owners at its first token.");
        }
        HWVAULT_TRY(account.owners, checked_owners(*options.owners));
        return account;
    }
    if (options.owners) return invalid_argument("Only an app: account has owners; leave them out.");
    if (target.account.kind() == AccountKind::kUser) {
        if (!target.uid || !uid_has_account(*target.uid)) {
            return Error{ErrorCode::kNotFound,
                         target.account.text() + " is no user of this machine that can have an account."};
        }
        account.uid = target.uid;
    }
    return account;
}

}  // namespace

std::string text_of(const Target& target) {
    return target.account.text() + "/" + target.name.text();
}

Result<Token> existing(const Vault& vault, const Target& target) {
    std::optional<Token> token = vault.find(target.account, target.name);
    if (!token) {
        return Error{ErrorCode::kNotFound,
                     "There is no token " + text_of(target) + ". Create or import it first, or list what there is."};
    }
    return std::move(*token);
}

Result<Token> existing_of_user(const Vault& vault, const Target& target) {
    if (const Account* const account = vault.find(target.account)) HWVAULT_CHECK(same_user(*account, target));
    return existing(vault, target);
}

Result<Home> home_of(const Vault& vault, const Target& target, const CreateOptions& options, const Occasion& occasion) {
    if (const Account* const account = vault.find(target.account)) {
        HWVAULT_CHECK(same_user(*account, target));
        if (options.owners) {
            return invalid_argument(target.account.text() +
                           " exists: its owners, if it has any, are changed by a Create that gives owners alone.");
        }
        return Home{*account, false};
    }
    HWVAULT_TRY(Account account, new_account(target, options, occasion));
    return Home{std::move(account), true};
}

Result<void> has_room(const Vault& vault, const AccountName& account) {
    if (vault.tokens_of(account) >= vault.quotas().tokens_per_account) {
        return Error{ErrorCode::kQuotaExceeded, account.text() + " has as many tokens as an account may have (" +
                                                    std::to_string(vault.quotas().tokens_per_account) +
                                                    "). Delete some that are not used."};
    }
    if (vault.token_count() >= vault.quotas().tokens) {
        return Error{ErrorCode::kQuotaExceeded, "The vault has as many tokens as it may have (" +
                                                    std::to_string(vault.quotas().tokens) +
                                                    "). Delete some, or raise the limit in hwvault.toml."};
    }
    return {};
}

Result<void> set_options(Token& token, const CreateOptions& options) {
    if (options.scopes) {
        HWVAULT_TRY(token.scopes, checked_scopes(*options.scopes));
    }
    if (options.description) {
        HWVAULT_TRY(token.description, checked_description(*options.description));
    }
    if (options.expires_in) {
        if (*options.expires_in == 0 || *options.expires_in > kMaxLifetime) {
            return invalid_argument("expires_in is 1 second to 10 years; leave it out for a token that never expires.");
        }
        token.lifetime = *options.expires_in;
    }
    return {};
}

Token new_token(const Account& account, const Target& target, Origin origin, const Occasion& occasion) {
    Token token;
    token.id = occasion.fresh.token_id;
    token.account = account.id;
    token.name = target.name;
    token.origin = origin;
    token.created_at = occasion.now;
    return token;
}

Token renewed(const Token& revoked) {
    Token token = revoked;
    token.scopes.clear();
    token.description.clear();
    token.lifetime = 0;
    token.revoked = false;
    return token;
}

std::vector<Generation> live_older(const Token& token, UnixTime now) {
    std::vector<Generation> live;
    if (token.generations.empty()) return live;
    std::copy_if(token.generations.begin(), std::prev(token.generations.end()), std::back_inserter(live),
                 [now](const Generation& older) { return !is_over(older.expires_at, now); });
    return live;
}

void start_generation(Token& token, std::vector<Generation> older, const Occasion& occasion) {
    Generation next;
    next.number = token.generations.empty() ? 1 : token.current().number + 1;
    next.id = occasion.fresh.public_id;
    next.nonce = occasion.fresh.nonce;
    next.created_at = occasion.now;
    next.expires_at = token.lifetime == 0 ? kNever : occasion.now + token.lifetime;
    token.generations = std::move(older);
    token.generations.push_back(next);
    token.seal_nonce.reset();
}

Change change_of(Token token, const Target& target, const Happening& happening, const Occasion& occasion) {
    const std::string& account = target.account.text();
    const std::string& name = target.name.text();
    const std::uint64_t generation = happening.generation.number;
    Change change;
    change.event = Event{.time = occasion.now,
                         .verb = happening.verb,
                         .actor = occasion.actor,
                         .account = account,
                         .name = name,
                         .token_id = std::string(crypto::id_text(happening.generation.id)),
                         .generation = generation,
                         .decided_by = occasion.decided_by};
    change.notice = Notice{account, name, generation, std::string(happening.notice)};
    token.changed_at = occasion.now;
    auto content = token.seal_nonce ? std::nullopt : std::optional{Bytes{}};
    change.tokens.push_back(
        TokenWrite{.token = std::move(token), .erase = false, .sealed_content = std::move(content), .escrow = {}});
    return change;
}

}  // namespace hwvault::vault
