// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Asks the person at the terminal for a secret, which is not shown.
#pragma once

#include <string>

#include "foundation/result.h"
#include "foundation/secret.h"

namespace hwvault::os {

// One line from /dev/tty, without its end, at most `cap` bytes. kInvalidArgument when there is no terminal, the line is
// longer, or the person has given up (Ctrl-C, Ctrl-D).
Result<SecretBytes> ask_secret(const std::string& prompt, std::size_t cap);

}  // namespace hwvault::os
