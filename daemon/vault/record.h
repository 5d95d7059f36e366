// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What the vault remembers: accounts, and tokens with their generations. Plain values; no secret is among them
// (an imported secret's sealed bytes stay in the store and are read when they are asked for).
//
// A token name of an account is one Token for as long as it exists. Each change of its string is a new
// generation. A generation is known to a verifier from the moment it is given, which is with its first
// Retrieve: a string that nobody has been given needs no verifier, so that making one never waits for the device.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "crypto/digest.h"
#include "crypto/token_text.h"
#include "daemon/vault/names.h"

namespace hwvault::vault {

using UnixTime = std::uint64_t;  // seconds since 1970; 0 where it stands for "never"
constexpr UnixTime kNever = 0;

// Random, never reused. One type for accounts, tokens and the vault itself.
using Id = std::array<std::uint8_t, 16>;
using Nonce = std::array<std::uint8_t, 32>;

enum class Origin : std::uint8_t { kIssued = 1, kImported = 2 };

// Older generations of a named token that still live, at most.
constexpr std::size_t kMaxOverlapping = 8;

struct Account {
    Id id{};
    AccountName name;
    std::optional<std::uint32_t> uid;  // of a user: account, at its creation; a reused uid is refused
    std::vector<std::string> owners;   // of an app: account
    UnixTime created_at{0};

    friend bool operator==(const Account&, const Account&) = default;
};

struct Generation {
    std::uint64_t number{1};
    crypto::TokenId id{};
    // Of its own, and what its string is derived with.
    std::optional<Nonce> nonce;
    // SHA-256 of its string's id and secret, once it was given. The store has both, and the verify index has the hash: a
    // vault keeps none of them in memory, and a generation that is written without them keeps those that it has.
    std::optional<crypto::Digest> hash;
    bool given{false};  // somebody has retrieved it, so that a verifier may meet it
    UnixTime created_at{0};
    UnixTime expires_at{kNever};  // of its own lifetime, or the end of its overlap, whichever comes first

    friend bool operator==(const Generation&, const Generation&) = default;
};

struct Token {
    Id id{};
    Id account{};
    TokenName name;
    Origin origin{Origin::kIssued};
    std::vector<std::string> scopes;
    std::string description;
    std::uint64_t lifetime{0};  // seconds that each new generation gets; 0: no expiry
    UnixTime created_at{0};
    UnixTime changed_at{0};
    // Never empty. The last is the current one; those before it live on in an overlap. For an imported secret it
    // is the one that names the sealed content.
    std::vector<Generation> generations;
    bool revoked{false};  // the current generation is dead and has no successor
    // The 32 random bytes under which the current string was sealed: an imported secret's, and an issued one's that came
    // through recovery. None where there is no such content: the string is derived, or was revoked.
    std::optional<Nonce> seal_nonce;

    [[nodiscard]] const Generation& current() const { return generations.back(); }
    friend bool operator==(const Token&, const Token&) = default;
};

// The input of the derivation of an issued token's secret, and of the key that seals an imported one; the
// domain label is put in front by the hardware child (docs/formats/context.md).
// The generation has its nonce.
Bytes token_context(const Id& vault, const Token& token, const Generation& generation);
Bytes seal_context(const Id& vault, const Token& token, const Nonce& seal_nonce);
// The associated data of the sealed content: which record it belongs to.
Bytes seal_identity(const Id& vault, const Token& token, const Nonce& seal_nonce);

}  // namespace hwvault::vault
