// SPDX-License-Identifier: LGPL-2.1-or-later
#include "daemon/vault/lifecycle.h"

#include <algorithm>
#include <utility>

#include "crypto/random.h"
#include "daemon/vault/planning.h"

namespace hwvault::vault {
namespace {

using Revocation = std::variant<Unchanged, Withdraws>;

bool gives_owners_alone(const CreateOptions& options) {
    return options.owners && !options.scopes && !options.expires_in && !options.description;
}

// Adding an owner takes nothing from anybody; leaving one out does.
Result<std::variant<Grants, Withdraws>> change_owners(Account account, const Target& target,
                                                      const std::vector<std::string>& wanted,
                                                      const Occasion& occasion) {
    if (account.name.kind() != AccountKind::kApp) return invalid_argument("Only an app: account has owners; leave them out.");
    if (wanted.empty()) return invalid_argument("An app: account has at least one owner; name who it belongs to.");
    HWVAULT_TRY(std::vector<std::string> owners, checked_owners(wanted));
    const bool withdraws = !std::ranges::includes(owners, account.owners);
    account.owners = std::move(owners);

    Change change;
    change.event = Event{.time = occasion.now,
                         .verb = Verb::kCreate,
                         .actor = occasion.actor,
                         .account = account.name.text(),
                         .name = target.name.text(),
                         .token_id = {},
                         .generation = 0,
                         .decided_by = occasion.decided_by};
    change.notice = Notice{account.name.text(), target.name.text(), 0, "owners-changed"};
    change.accounts.push_back(AccountWrite{.account = std::move(account), .erase = false});
    if (withdraws) return Withdraws{std::move(change)};
    return Grants{std::move(change)};
}

// The number that the caller means; kNotFound when the token has not come that far.
Result<std::uint64_t> meant(const Token& token, const Target& target, std::uint64_t generation) {
    const std::uint64_t current = token.current().number;
    if (generation == 0) return current;
    if (generation <= current) return generation;
    return Error{ErrorCode::kNotFound, text_of(target) + " has no generation " + std::to_string(generation) +
                                           "; its current one is " + std::to_string(current) + "."};
}

Revocation revoke_default(const Token& token, const Target& target, Verb verb, const Occasion& occasion) {
    Token successor = token;
    start_generation(successor, {}, occasion);
    const std::string_view notice = verb == Verb::kRotate ? "rotated" : "revoked";
    const Generation& told = verb == Verb::kRotate ? successor.current() : token.current();
    return Withdraws{change_of(successor, target, {verb, notice, told}, occasion)};
}

Revocation revoke_imported(const Token& token, const Target& target, const Occasion& occasion) {
    if (token.revoked) return Unchanged{};
    Token emptied = token;
    emptied.revoked = true;
    emptied.seal_nonce.reset();
    return Withdraws{change_of(std::move(emptied), target, {Verb::kRevoke, "revoked", token.current()}, occasion)};
}

// The current generation of a named token; `older` are those that live on in their overlap.
Revocation revoke_named(const Token& token, const Target& target, std::vector<Generation> older,
                        const Occasion& occasion) {
    Token dead = token;
    dead.revoked = true;
    dead.seal_nonce.reset();
    dead.generations = std::move(older);
    dead.generations.push_back(token.current());
    return Withdraws{change_of(std::move(dead), target, {Verb::kRevoke, "revoked", token.current()}, occasion)};
}

Revocation revoke_older(const Token& token, const Target& target, std::uint64_t number, const Occasion& occasion) {
    std::vector<Generation> older = live_older(token, occasion.now);
    const auto found = std::ranges::find(older, number, &Generation::number);
    if (found == older.end()) return Unchanged{};
    const Generation killed = *found;
    older.erase(found);
    Token rest = token;
    rest.generations = std::move(older);
    rest.generations.push_back(token.current());
    return Withdraws{change_of(std::move(rest), target, {Verb::kRevoke, "revoked", killed}, occasion)};
}

// The successor of a named token's current generation; that one lives on for `overlap` seconds.
Result<Revocation> rotate_named(const Token& token, const Target& target, std::uint64_t overlap,
                                const Occasion& occasion) {
    std::vector<Generation> older = live_older(token, occasion.now);
    Generation last = token.current();
    if (overlap > 0 && !is_over(last.expires_at, occasion.now)) {
        if (older.size() >= kMaxOverlapping) {
            return Error{ErrorCode::kQuotaExceeded,
                         "Eight older generations of " + text_of(target) +
                             " still live. Revoke one by its number, or rotate without an overlap."};
        }
        const UnixTime end = occasion.now + overlap;
        last.expires_at = last.expires_at == kNever ? end : std::min(last.expires_at, end);
        older.push_back(std::move(last));
    }
    Token rotated = token;
    start_generation(rotated, std::move(older), occasion);
    return Revocation{Withdraws{change_of(rotated, target, {Verb::kRotate, "rotated", rotated.current()}, occasion)}};
}

}  // namespace

Result<Fresh> draw_fresh() {
    Fresh fresh;
    HWVAULT_CHECK(crypto::fill_random(fresh.account_id));
    HWVAULT_CHECK(crypto::fill_random(fresh.token_id));
    HWVAULT_CHECK(crypto::fill_random(fresh.nonce));
    HWVAULT_CHECK(crypto::fill_random(fresh.seal_nonce));
    HWVAULT_TRY(fresh.public_id, crypto::random_token_id());
    return fresh;
}

Result<void> same_user(const Account& account, const Target& target) {
    if (!account.uid || !target.uid || *account.uid == *target.uid) return {};
    return Error{ErrorCode::kAccessDenied,
                 account.name.text() + " belongs to uid " + std::to_string(*account.uid) + ", and that name is now uid " +
                     std::to_string(*target.uid) +
                     "'s: a user of the same name was removed and made again. An administrator deletes the tokens of "
                     "the former one; then the name gets an account of its own."};
}

Result<std::variant<Grants, Withdraws>> create(const Vault& vault, const Target& target, const CreateOptions& options,
                                               const Occasion& occasion) {
    const Account* const account = vault.find(target.account);
    if (account != nullptr && gives_owners_alone(options)) {
        return change_owners(*account, target, *options.owners, occasion);
    }
    HWVAULT_TRY(Home home, home_of(vault, target, options, occasion));
    const std::optional<Token> known = vault.find(target.account, target.name);
    if (known && (!known->revoked || known->origin == Origin::kImported)) {
        return Error{ErrorCode::kAlreadyExists, text_of(target) + " exists. Rotate it for a new string, or delete it."};
    }
    // Scopes are the token's: an old string that still lives would get the new ones.
    if (known && !live_older(*known, occasion.now).empty()) {
        return Error{ErrorCode::kAlreadyExists,
                     "An older string of " + text_of(target) +
                         " still lives in its overlap. Revoke the whole token (without naming a generation) first."};
    }
    if (!known) HWVAULT_CHECK(has_room(vault, target.account));

    Token token = known ? renewed(*known) : new_token(home.account, target, Origin::kIssued, occasion);
    HWVAULT_CHECK(set_options(token, options));
    start_generation(token, {}, occasion);
    Change change = change_of(token, target, {Verb::kCreate, "created", token.current()}, occasion);
    if (home.is_new) change.accounts.push_back(AccountWrite{.account = std::move(home.account), .erase = false});
    return Grants{std::move(change)};
}

Result<std::variant<Unchanged, Withdraws>> revoke(const Vault& vault, const Target& target, std::uint64_t generation,
                                                  const Occasion& occasion) {
    HWVAULT_TRY(const Token token, existing(vault, target));
    HWVAULT_TRY(const std::uint64_t number, meant(token, target, generation));
    if (number < token.current().number) return revoke_older(token, target, number, occasion);
    if (token.origin == Origin::kImported) return revoke_imported(token, target, occasion);
    if (token.name.is_default()) return revoke_default(token, target, Verb::kRevoke, occasion);
    std::vector<Generation> older = live_older(token, occasion.now);
    const bool all = generation == 0;
    if (token.revoked && (!all || older.empty())) return Unchanged{};
    if (all) older.clear();
    return revoke_named(token, target, std::move(older), occasion);
}

Result<std::variant<Unchanged, Withdraws>> rotate(const Vault& vault, const Target& target, std::uint64_t generation,
                                                  std::uint64_t overlap_seconds, const Occasion& occasion) {
    HWVAULT_TRY(const Token token, existing_of_user(vault, target));
    if (token.origin == Origin::kImported) {
        return invalid_argument(text_of(target) + " is a third party's secret: ask that party for a new one and import it.");
    }
    if (token.name.is_default() && overlap_seconds > 0) {
        return invalid_argument("`default` has exactly one active token, so its rotation has no overlap. Use a named token.");
    }
    if (overlap_seconds > kMaxOverlap) return invalid_argument("An overlap is at most 90 days.");
    HWVAULT_TRY(const std::uint64_t number, meant(token, target, generation));
    if (number < token.current().number) return Unchanged{};
    if (token.revoked) {
        return Error{ErrorCode::kNotFound, text_of(target) + " was revoked. Create it again for a new string."};
    }
    if (token.name.is_default()) return revoke_default(token, target, Verb::kRotate, occasion);
    return rotate_named(token, target, overlap_seconds, occasion);
}

Result<Withdraws> erase(const Vault& vault, const Target& target, const Occasion& occasion) {
    HWVAULT_TRY(const Token token, existing(vault, target));
    Change change = change_of(token, target, {Verb::kDelete, "deleted", token.current()}, occasion);
    change.tokens.front().erase = true;
    if (vault.tokens_of(target.account) == 1) {
        change.accounts.push_back(AccountWrite{.account = *vault.find(target.account), .erase = true});
    }
    return Withdraws{std::move(change)};
}

Result<std::variant<Unchanged, Grants>> record_hash(const Vault& vault, const Target& target,
                                                    const FirstString& string) {
    HWVAULT_TRY(Token token, existing_of_user(vault, target));
    const Generation& current = token.current();
    if (token.origin == Origin::kImported || token.revoked || current.id != string.id) {
        return Error{ErrorCode::kBusy, text_of(target) + " changed while it was being retrieved. Try again."};
    }
    if (current.given) return Unchanged{};
    token.generations.back().hash = string.hash;
    token.generations.back().given = true;
    Change change;
    change.tokens.push_back(TokenWrite{
        .token = std::move(token), .erase = false, .sealed_content = std::nullopt, .escrow = string.escrow});
    return Grants{std::move(change)};
}

Result<void> retrievable(const Vault& vault, const Target& target, UnixTime now) {
    HWVAULT_TRY(const Token token, existing_of_user(vault, target));
    if (token.revoked) {
        return Error{ErrorCode::kNotFound, text_of(target) + " was revoked. Create or import it again."};
    }
    if (is_over(token.current().expires_at, now)) {
        return Error{ErrorCode::kExpired, text_of(target) + " has expired. " +
                                              (token.origin == Origin::kIssued ? "Rotate it" : "Import it again") +
                                              " for a new one."};
    }
    if (token.current().number > kMaxGeneration) {
        return Error{ErrorCode::kQuotaExceeded,
                     text_of(target) + " has had as many strings as a token may have. Delete it and create it again."};
    }
    return {};
}

}  // namespace hwvault::vault
