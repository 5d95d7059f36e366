// SPDX-License-Identifier: LGPL-2.1-or-later
//
// A token as the vault keeps it: one run of bytes, a fraction of what a Token takes. Its account is known from where it is
// kept, and what its strings are derived with and verified by lies elsewhere (record.h).
//
// A view of bytes that keep() made; they are never anybody else's, so nothing is checked.
#pragma once

#include <cstdint>
#include <string_view>

#include "daemon/vault/record.h"
#include "foundation/bytes.h"

namespace hwvault::vault {

Bytes keep(const Token& token);

class KeptToken {
public:
    explicit KeptToken(const std::uint8_t* bytes) : bytes_(bytes) {}

    [[nodiscard]] std::string_view name() const;
    // All that was kept: everything but the account, the hashes and the nonces.
    [[nodiscard]] Token read() const;
    [[nodiscard]] std::size_t size() const;

private:
    const std::uint8_t* bytes_;
};

}  // namespace hwvault::vault
