// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The names that callers use, checked once where they enter: accounts, token names, scopes, owners.
//
// Grammar (the contract's): a token name is `[a-z0-9][a-z0-9._-]{0,63}`; an account is `user:NAME`,
// `unit:NAME.service` or `app:NAME`, where an app's NAME follows the token names' grammar. User and group names are
// ASCII letters, digits and `_.@+\-`, unit names those of systemd.unit(5): no wildcard, blank or control character is
// in any of them, so that a name put into a rule never widens it. A name outside the grammar is kInvalidArgument,
// with a sentence that says what is allowed.
#pragma once

#include <compare>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "foundation/result.h"

namespace hwvault::vault {

constexpr std::size_t kMaxTokenNameSize = 64;
constexpr std::size_t kMaxUserNameSize = 64;    // useradd allows 32, directories more
constexpr std::size_t kMaxUnitNameSize = 255;   // systemd's own limit
constexpr std::size_t kMaxScopes = 32;
constexpr std::size_t kMaxScopeSize = 64;       // `[A-Za-z0-9][A-Za-z0-9:/._*-]{0,63}`
constexpr std::size_t kMaxOwners = 16;
constexpr std::size_t kMaxDescriptionSize = 256;  // bytes of UTF-8, no control characters

enum class AccountKind : std::uint8_t { kUser, kUnit, kApp };

// A valid account name. Ordered by its text.
class AccountName {
public:
    static Result<AccountName> parse(std::string_view text);
    static Result<AccountName> of_user(std::string_view user);

    [[nodiscard]] const std::string& text() const { return text_; }      // "user:alice"
    [[nodiscard]] AccountKind kind() const { return kind_; }
    [[nodiscard]] std::string_view local() const;                        // "alice"

    friend auto operator<=>(const AccountName& a, const AccountName& b) { return a.text_ <=> b.text_; }
    friend bool operator==(const AccountName& a, const AccountName& b) { return a.text_ == b.text_; }

private:
    AccountName(AccountKind kind, std::string text) : kind_(kind), text_(std::move(text)) {}
    AccountKind kind_;
    std::string text_;
};

// A valid token name; `default` when none was given.
class TokenName {
public:
    TokenName() : text_("default") {}
    static Result<TokenName> parse(std::string_view text);  // "" is `default`

    [[nodiscard]] const std::string& text() const { return text_; }
    [[nodiscard]] bool is_default() const { return text_ == "default"; }

    friend auto operator<=>(const TokenName&, const TokenName&) = default;

private:
    explicit TokenName(std::string text) : text_(std::move(text)) {}
    std::string text_;
};

// False for nobody (65534) and for dynamic users (61184-65519, systemd.exec(5)): such a uid is a different program
// tomorrow, so it has no `user:` account.
bool uid_has_account(std::uint32_t uid);

// Sorted and without repeats afterwards; kInvalidArgument when one is outside the grammar or there are too many.
Result<std::vector<std::string>> checked_scopes(std::vector<std::string> scopes);
// The same; each is `user:NAME`, `group:NAME` or `unit:NAME.service`.
Result<std::vector<std::string>> checked_owners(std::vector<std::string> owners);
// UTF-8 without control characters, and without those that break or turn a line. The empty text is one.
bool is_one_line(std::string_view text);
// One line of at most kMaxDescriptionSize bytes; else kInvalidArgument.
Result<std::string> checked_description(std::string description);

}  // namespace hwvault::vault
