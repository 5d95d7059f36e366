// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What of a vault is in its verify index (daemon/index): every generation that was given, as long as it is on record. How a table
// comes to have it, when the vault is loaded, with each change, and from the table before.
//
// Of these the table alone has the hash of a string that lives on; the vault knows everything else. So a table that is to take
// another's place is filled from both.
#pragma once

#include <memory>

#include "daemon/index/writer.h"
#include "daemon/vault/vault.h"

namespace hwvault::service {

// So many slots hold as many tokens with room for a sixteenth more, in 145 bytes a token; fuller, a table of ten million has no
// place for some.
std::uint32_t slots_for(std::size_t tokens);

// Which generation this is; views into the token and the account's name.
index::Key key_of(std::string_view account, const vault::Token& token, const vault::Generation& generation);

// What is known of a token beside the vault.
struct Beside {
    const index::Writer* before{nullptr};  // the table that has the hashes of its generations, and when they were verified
    vault::UnixTime used{0};               // when it was last used, in 32 bits; 0: that is not known
};

// Puts in what was given of a token, or makes what is there of it so. False when something has no place; the rest may be in then.
[[nodiscard]] bool put(index::Writer& table, std::string_view account, const vault::Token& token, const Beside& beside = {});

// Does what a change of the vault does, which has not been applied there yet. What ends has ended when this returns. False when
// something found no place.
[[nodiscard]] bool apply(index::Writer& table, const vault::Change& change, const vault::Vault& vault);

// One that has what `before` has, and room for `tokens`. kQuotaExceeded when no table is large enough for what is there;
// kInternal when there is no memory. Takes a second for a million.
Result<std::unique_ptr<index::Writer>> copy_table(const vault::Vault& vault, const index::Writer& before, std::size_t tokens);

// The same, with half as many slots again, for what found no place in `before`: long texts take room that the number of tokens
// does not tell.
Result<std::unique_ptr<index::Writer>> larger_table(const vault::Vault& vault, const index::Writer& before);

}  // namespace hwvault::service
