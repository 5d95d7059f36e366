// SPDX-License-Identifier: LGPL-2.1-or-later
#include "daemon/vault/lifecycle.h"

#include <utility>

#include "crypto/aead.h"
#include "daemon/vault/planning.h"

namespace hwvault::vault {
namespace {

// Another one planned the same account or token meanwhile, and was first.
bool still_holds(const ImportDraft& draft, const Vault& vault, const Target& target) {
    const Account* const account = vault.find(target.account);
    const bool same_account = draft.new_account ? account == nullptr
                                                : account != nullptr && account->id == draft.token.account;
    const bool same_token = vault.find(target.account, target.name) == draft.replaces;
    return same_account && same_token;
}

// The record that the new content goes into, as it is before it.
Token record_for(const std::optional<Token>& known, const Account& account, const Target& target, const Occasion& occasion) {
    if (!known) return new_token(account, target, Origin::kImported, occasion);
    return known->revoked ? renewed(*known) : *known;
}

}  // namespace

Result<void> importable(std::size_t secret_size) {
    if (secret_size == 0) return invalid_argument("The secret is empty; nothing was imported.");
    if (secret_size > kMaxSecretSize) return invalid_argument("A secret is at most 1 MiB.");
    return {};
}

Result<ImportDraft> draft_import(const Vault& vault, const Target& target, const CreateOptions& options,
                                 const Occasion& occasion) {
    HWVAULT_TRY(Home home, home_of(vault, target, options, occasion));
    const std::optional<Token> known = vault.find(target.account, target.name);
    if (known && known->origin == Origin::kIssued) {
        return Error{ErrorCode::kAlreadyExists,
                     text_of(target) + " is a token of this vault. Import under another name, or delete it first."};
    }
    if (!known) HWVAULT_CHECK(has_room(vault, target.account));

    ImportDraft draft;
    draft.token = record_for(known, home.account, target, occasion);
    HWVAULT_CHECK(set_options(draft.token, options));
    start_generation(draft.token, {}, occasion);
    draft.token.seal_nonce = occasion.fresh.seal_nonce;
    if (home.is_new) draft.new_account = std::move(home.account);
    draft.replaces = known;
    return draft;
}

Result<std::variant<Grants, Withdraws>> import(const Vault& vault, const Target& target, const ImportDraft& draft,
                                               Bytes sealed, const Occasion& occasion) {
    HWVAULT_CHECK(importable(sealed.size() < crypto::kSealTagSize ? 0 : sealed.size() - crypto::kSealTagSize));
    if (!still_holds(draft, vault, target)) {
        return Error{ErrorCode::kBusy, text_of(target) + " changed while the secret was being sealed. Try again."};
    }
    if (const Account* const account = vault.find(target.account)) HWVAULT_CHECK(same_user(*account, target));
    if (!draft.replaces) HWVAULT_CHECK(has_room(vault, target.account));

    Change change = change_of(draft.token, target, {Verb::kImport, "imported", draft.token.current()}, occasion);
    change.tokens.front().sealed_content = std::move(sealed);
    change.tokens.front().escrow = draft.escrow;
    if (draft.new_account) change.accounts.push_back(AccountWrite{.account = *draft.new_account, .erase = false});
    if (draft.replaces && !draft.replaces->revoked) return Withdraws{std::move(change)};
    return Grants{std::move(change)};
}

}  // namespace hwvault::vault
