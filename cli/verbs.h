// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Verbs as people write them: in any case, and with the hyphen of the command's own `revoke-token`.
#pragma once

#include <optional>
#include <string_view>

#include "daemon/vault/change.h"

namespace hwvault::cli {

std::optional<vault::Verb> verb_written(std::string_view text);
// Whether they are the same word so.
bool is_same_word(std::string_view one, std::string_view other);

}  // namespace hwvault::cli
