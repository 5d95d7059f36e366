// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What of a record that the lost device signed is still good, given what its file says has changed since. Nobody vouches
// for that, so it is believed only where it takes away: whoever can write the file can end a token, and give nobody
// anything (docs/formats/escrow.md, "Recovering").
//
// Pure.
#pragma once

#include <optional>

#include "daemon/vault/lifecycle.h"

namespace hwvault::vault {

// `now` is what the file has; none when the record is gone, or does not read as one. nullopt: nothing is left of it.
std::optional<Account> still_good(const Account& then, const std::optional<Account>& now);
std::optional<Token> still_good(const Token& then, const std::optional<Token>& now);

// The token with a new generation in the place of all that were given out before.
Token replaced(const Token& token, const Occasion& occasion);

}  // namespace hwvault::vault
