// SPDX-License-Identifier: LGPL-2.1-or-later
//
// A token as the vault keeps it: one run of bytes, a fraction of what a Token takes. Its account is known from where it is
// kept, the hashes of its strings lie in the index by which they are looked up, and their nonces in the store.
//
// A view of bytes that keep() made; they are never anybody else's, so nothing is checked.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "daemon/vault/record.h"
#include "foundation/bytes.h"

namespace hwvault::vault {

Bytes keep(const Token& token);

class KeptToken {
public:
    explicit KeptToken(const std::uint8_t* bytes) : bytes_(bytes) {}

    [[nodiscard]] std::string_view name() const;
    [[nodiscard]] Id id() const;
    [[nodiscard]] std::vector<std::string> scopes() const;

    // The generation with this id, as far as a verifier asks. It allocates nothing.
    struct Generation {
        std::uint64_t number{0};
        UnixTime expires_at{kNever};
        bool dead{false};  // revoked
    };
    [[nodiscard]] std::optional<Generation> generation(const crypto::TokenId& id) const;

    // All that was kept: everything but the account, the hashes and the nonces.
    [[nodiscard]] Token read() const;
    [[nodiscard]] std::size_t size() const;

private:
    const std::uint8_t* bytes_;
};

}  // namespace hwvault::vault
