// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The vault's state in memory: every account and token, and the index by which a shown token is looked up.
//
// It holds what is durable and nothing else: a Change is applied after the store has committed it. Pure: reads
// no clock, no file, no randomness. Not thread-safe; it lives on the service's strand.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "daemon/vault/change.h"
#include "daemon/vault/info.h"
#include "daemon/vault/record.h"

namespace hwvault::vault {

// Caps that one vault imposes; hwvault.toml `[limits]` may lower them.
struct Quotas {
    std::size_t tokens_per_account{1'000};
    std::size_t tokens{2'000'000};
};

// The answer to Verify for a token that is active.
struct Verified {
    const Account* account;
    const Token* token;
    const Generation* generation;
};

class Vault {
public:
    // `prefix` is that of the vault's tokens and holds crypto::is_token_prefix().
    Vault(Id id, std::string prefix, Quotas quotas);

    [[nodiscard]] const Id& id() const { return id_; }
    [[nodiscard]] const std::string& prefix() const { return prefix_; }
    [[nodiscard]] const Quotas& quotas() const { return quotas_; }
    void set_quotas(const Quotas& quotas) { quotas_ = quotas; }
    [[nodiscard]] std::size_t account_count() const;
    [[nodiscard]] std::size_t token_count() const;

    // nullptr when there is none. Pointers live until the next apply().
    [[nodiscard]] const Account* find(const AccountName& name) const;
    [[nodiscard]] const Account* account(const Id& id) const;
    [[nodiscard]] const Token* find(const AccountName& account, const TokenName& name) const;
    [[nodiscard]] std::size_t tokens_of(const AccountName& account) const;

    // The token that has this text, active or not (RevokeToken); nullopt when no generation that lives in a
    // record has it. One look-up by id, one SHA-256, one comparison in constant time; nothing here allocates.
    [[nodiscard]] std::optional<Verified> recognise(BytesView token_text) const;
    // The same for an active one at `now`: not revoked, not expired.
    [[nodiscard]] std::optional<Verified> verify(BytesView token_text, UnixTime now) const;
    [[nodiscard]] bool knows_id(const crypto::TokenId& id) const;

    // Accounts and tokens after `cursor` (exclusive), in the order of account and name.
    struct Position {
        std::string account;
        std::string name;
        friend auto operator<=>(const Position&, const Position&) = default;
    };
    // Calls `visit(account, token)` until it returns false.
    template <class Visit>
    void visit_after(const Position& cursor, Visit visit) const;

    // Makes a committed change visible. Records that a change erases must be there.
    void apply(const Change& change);
    // Puts records in that the store has loaded and authenticated, or replaces those of the same id. No two have one
    // name, and a token's account goes in before it.
    void load(Account account);
    void load(Token token);

private:
    struct Location {
        Id token;
        std::uint64_t generation;
    };
    struct IdHash {
        std::size_t operator()(const Id& id) const noexcept;
    };
    struct TokenIdHash {
        std::size_t operator()(const crypto::TokenId& id) const noexcept;
    };

    void drop(const Id& token);
    void forget_generations(const Token& token);

    Id id_;
    std::string prefix_;
    Quotas quotas_;
    std::map<std::string, std::unique_ptr<Account>, std::less<>> accounts_;  // by name
    std::unordered_map<Id, Account*, IdHash> account_by_id_;
    std::map<Position, std::unique_ptr<Token>> tokens_;
    std::unordered_map<Id, Token*, IdHash> token_by_id_;
    std::unordered_map<std::string, std::size_t> tokens_of_account_;
    std::unordered_map<crypto::TokenId, Location, TokenIdHash> index_;
};

template <class Visit>
void Vault::visit_after(const Position& cursor, Visit visit) const {
    for (auto next = tokens_.upper_bound(cursor); next != tokens_.end(); ++next) {
        if (!visit(*account(next->second->account), *next->second)) return;
    }
}

// The parts of `info` that the contract gives for Retrieve and Verify, and all of them.
Info brief_info(const Account& account, const Token& token, const Generation& generation);
Info full_info(const Account& account, const Token& token);

}  // namespace hwvault::vault
