// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What the plans of lifecycle.h are made of: the checks that several of them share, and the records, events and
// notices that they write. For daemon/vault alone.
//
// Pure; every function reads the vault and gives values back.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "daemon/vault/lifecycle.h"

namespace hwvault::vault {

// "app:billing/deploy", as messages name a token.
std::string text_of(const Target& target);

inline bool is_over(UnixTime end, UnixTime now) {
    return end != kNever && end <= now;
}

// kNotFound.
Result<Token> existing(const Vault& vault, const Target& target);
// The same, and kAccessDenied when it is a former user's.
Result<Token> existing_of_user(const Vault& vault, const Target& target);

// The account on record, or the new one that the first token of it brings along.
struct Home {
    Account account;
    bool is_new{false};
};
// kAccessDenied (another uid's), kInvalidArgument (owners where they do not belong, or none where they do),
// kNotFound (a `user:` that is no user).
Result<Home> home_of(const Vault& vault, const Target& target, const CreateOptions& options, const Occasion& occasion);

// kQuotaExceeded when another token has no place.
Result<void> has_room(const Vault& vault, const AccountName& account);

// Sets what `options` give and leaves the rest; kInvalidArgument when one is outside its bounds.
Result<void> set_options(Token& token, const CreateOptions& options);

// A token without generations, as its first Create or Import makes it.
Token new_token(const Account& account, const Target& target, Origin origin, const Occasion& occasion);
// A revoked token as it is made again: as a new one in all but its id, its numbers and what still overlaps.
Token renewed(const Token& revoked);
// The generations before the current one whose overlap has not ended.
std::vector<Generation> live_older(const Token& token, UnixTime now);
// Ends the current generation, with what was sealed of it, and makes its successor, or the first one; `older` live on
// before it.
void start_generation(Token& token, std::vector<Generation> older, const Occasion& occasion);

// What happened to which generation, as the audit trail and the watchers hear of it.
struct Happening {
    Verb verb;
    std::string_view notice;
    const Generation& generation;
};
Change change_of(Token token, const Target& target, const Happening& happening, const Occasion& occasion);

}  // namespace hwvault::vault
