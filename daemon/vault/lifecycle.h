// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The life of a token, as pure planning: given the vault as it is, what was asked, the time and fresh random
// bytes, each function says which change would be made, or why not. Nothing is changed here.
//
// Rules: at most one generation of `default` is active at any moment. Revoking `default` makes its successor in
// the same change; revoking another issued token makes none. Generation 0 means "whichever is current", and for
// a named token every overlapping one with it: whoever revokes a token by name means all of it. A generation that
// is already gone is a success without a change, so that a retry never kills a successor. An account exists as
// long as it has a token. Expiry is a property of a generation and is compared at look-up, never restored.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "daemon/vault/change.h"
#include "daemon/vault/vault.h"

namespace hwvault::vault {

constexpr std::uint64_t kMaxLifetime = 10ULL * 365 * 24 * 3600;  // seconds that an expiry may lie ahead
constexpr std::uint64_t kMaxOverlap = 90ULL * 24 * 3600;         // seconds of overlap after a rotation
constexpr std::size_t kMaxSecretSize = 1 << 20;                  // bytes of an imported secret
constexpr std::uint64_t kMaxGeneration = 0xffff'ffff;            // that can be given (docs/formats/verify-index.md)

// Random material that one plan may use up; drawn by the caller, none of it secret.
struct Fresh {
    Id account_id;
    Id token_id;
    Nonce nonce;
    Nonce seal_nonce;
    crypto::TokenId public_id;
};
Result<Fresh> draw_fresh();

struct Target {
    AccountName account;
    TokenName name;
    // For a `user:` account: the uid that the name service gives it now; none when there is no such user (any more).
    std::optional<std::uint32_t> uid;
};

struct CreateOptions {
    std::optional<std::vector<std::string>> scopes;
    std::optional<std::uint64_t> expires_in;  // seconds
    std::optional<std::string> description;
    std::optional<std::vector<std::string>> owners;  // of an `app:`, with its first token, or alone to change them
};

struct Occasion {
    UnixTime now;
    Actor actor;
    std::string decided_by;
    Fresh fresh;
};

// `user:` accounts: kAccessDenied with an explanation when the account on record belongs to another uid than
// `target.uid`. Each function below checks it, but for revoke() and erase(): an administrator must be able to end
// what a removed user left behind. Whoever calls them for the user themself checks it first.
Result<void> same_user(const Account& account, const Target& target);

// kAlreadyExists when the token is there and not revoked, or imported; kQuotaExceeded; kInvalidArgument for options
// outside their bounds, for owners of anything but an `app:`, or none at its first token; kNotFound for a `user:`
// that is no user. A revoked one starts a new generation, with these options and no others.
// With `owners` alone, on an `app:` that exists, it changes them (whichever token is named): that takes trust away
// when one of them is left out.
Result<std::variant<Grants, Withdraws>> create(const Vault& vault, const Target& target, const CreateOptions& options,
                                               const Occasion& occasion);

// An import is planned twice, since the device seals in between: draft_import() says what the record will be, the
// caller seals the content under seal_context(draft.token, *draft.token.seal_nonce), and import() plans the change.
struct ImportDraft {
    Token token;  // with the new seal_nonce and generation
    std::optional<Account> new_account;
    std::optional<Token> replaces;  // the record as it was
    std::optional<Bytes> escrow;    // put in by the caller, in a vault with recovery
};
// kInvalidArgument when a secret of so many bytes is empty or above kMaxSecretSize.
Result<void> importable(std::size_t secret_size);
// Over an issued token, revoked or not: kAlreadyExists. Over a secret: what `options` leave out stays as it is,
// unless it was revoked. Otherwise as create().
Result<ImportDraft> draft_import(const Vault& vault, const Target& target, const CreateOptions& options,
                                 const Occasion& occasion);
// Checks that the vault still is what `draft` was made from (else kBusy: draft again). Takes trust away when it
// replaces a secret that was not revoked.
Result<std::variant<Grants, Withdraws>> import(const Vault& vault, const Target& target, const ImportDraft& draft,
                                               Bytes sealed, const Occasion& occasion);

// kNotFound when there is no such token, or it has not come as far as `generation`. Anything that it changes counts
// as taking trust away, also where the generation had expired.
Result<std::variant<Unchanged, Withdraws>> revoke(const Vault& vault, const Target& target, std::uint64_t generation,
                                                  const Occasion& occasion);
// kInvalidArgument for an imported one, for an overlap above kMaxOverlap, and for any overlap of `default`, whose
// rotation is a revocation. kQuotaExceeded when kMaxOverlapping older generations still live and the current one
// would join them. kNotFound as for revoke(), and for a revoked one.
Result<std::variant<Unchanged, Withdraws>> rotate(const Vault& vault, const Target& target, std::uint64_t generation,
                                                  std::uint64_t overlap_seconds, const Occasion& occasion);
// kNotFound. With an account's last token goes the account.
Result<Withdraws> erase(const Vault& vault, const Target& target, const Occasion& occasion);

// What becomes known of a generation when it is about to be handed out for the first time. It is named by its id, since
// numbers begin again when a token is deleted and made anew.
struct FirstString {
    crypto::TokenId id{};
    crypto::Digest hash{};
    std::optional<Bytes> escrow;  // in a vault with recovery
};
// Unchanged when it was given already, and a hash is on record. kBusy when the generation is not the current one.
Result<std::variant<Unchanged, Grants>> record_hash(const Vault& vault, const Target& target, const FirstString& string);

// Whether the current generation can be handed out at `now`: kNotFound (none, or revoked), kExpired, kQuotaExceeded beyond
// kMaxGeneration, else nothing.
Result<void> retrievable(const Vault& vault, const Target& target, UnixTime now);

}  // namespace hwvault::vault
