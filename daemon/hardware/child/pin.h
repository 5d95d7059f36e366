// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Where the PIN comes from: a file of mode 0600, or a credential that systemd hands over. Never a command line,
// an environment variable or the configuration; only the hardware child ever has it.
#pragma once

#include <filesystem>
#include <string_view>

#include "foundation/result.h"
#include "foundation/secret.h"

namespace hwvault::hardware::child {

constexpr std::size_t kMaxPinSize = 255;  // bytes

// The file's bytes without a newline at the end. kInvalidArgument when others can read the file, or when what it
// holds can be no PIN: nothing, a zero byte, or more than kMaxPinSize bytes.
Result<SecretBytes> read_pin_file(const std::filesystem::path& file);

// The same for a credential in $CREDENTIALS_DIRECTORY; kInvalidArgument when systemd handed none over.
Result<SecretBytes> read_pin_credential(std::string_view name);

// Makes a file of mode 0600 with a random PIN of twenty characters, where there is none.
Result<void> make_pin_file(const std::filesystem::path& file);

}  // namespace hwvault::hardware::child
