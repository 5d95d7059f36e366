// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The vault's state in memory: every account and token, and the index by which a shown token is looked up. About a
// hundred bytes a token, and the index.
//
// It holds what is durable and nothing else: a Change is applied after the store has committed it. Pure: reads
// no clock, no file, no randomness. Not thread-safe; it lives on the service's strand.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "daemon/vault/cells.h"
#include "daemon/vault/change.h"
#include "daemon/vault/info.h"
#include "daemon/vault/kept_token.h"
#include "daemon/vault/record.h"

namespace hwvault::vault {

// Caps that one vault imposes; hwvault.toml `[limits]` may lower them.
struct Quotas {
    std::size_t tokens_per_account{1'000};
    std::size_t tokens{2'000'000};
};

// The answer to Verify for a token that is active. Views live until the next apply().
struct Verified {
    const Account* account;
    KeptToken token;
    crypto::TokenId id;
    std::uint64_t generation;
    UnixTime expires_at;
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
    // Its generations have no nonces (record.h), here as in visit_after().
    [[nodiscard]] std::optional<Token> find(const AccountName& account, const TokenName& name) const;
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
    // Puts records in that the store has loaded and authenticated, or replaces those of the same name, whose ids they have.
    // A token's account goes in before it.
    void load(const Account& account);
    void load(const Token& token);

private:
    // An account with its tokens, by name.
    struct Home {
        Account account;
        std::vector<Cells::Ref> tokens;
    };
    // Where a generation is found by its id, and what its string must be.
    struct Location {
        const Home* home{nullptr};
        Cells::Ref token{0};
        std::optional<crypto::Digest> hash;
    };
    struct IdHash {
        std::size_t operator()(const Id& id) const noexcept;
    };
    struct TokenIdHash {
        std::size_t operator()(const crypto::TokenId& id) const noexcept;
    };
    struct Recognised {
        Verified shown;
        bool dead;
    };

    [[nodiscard]] std::optional<Recognised> look_up(BytesView token_text) const;
    [[nodiscard]] KeptToken at(Cells::Ref ref) const { return KeptToken{cells_.at(ref)}; }
    // Where a token of this name is, or would be.
    [[nodiscard]] std::vector<Cells::Ref>::const_iterator place_of(const Home& home, std::string_view name) const;
    [[nodiscard]] bool is_at(std::vector<Cells::Ref>::const_iterator place, const Home& home, std::string_view name) const;
    [[nodiscard]] Token token_in(const Home& home, Cells::Ref ref) const;

    void drop(const Token& token);
    // The cell, and what the index has of its generations.
    void forget(Cells::Ref ref);

    Id id_;
    std::string prefix_;
    Quotas quotas_;
    std::map<std::string, Home, std::less<>> homes_;  // by name
    std::unordered_map<Id, Home*, IdHash> home_by_id_;
    Cells cells_;
    std::size_t token_count_{0};
    std::unordered_map<crypto::TokenId, Location, TokenIdHash> index_;
};

template <class Visit>
void Vault::visit_after(const Position& cursor, Visit visit) const {
    for (auto home = homes_.lower_bound(cursor.account); home != homes_.end(); ++home) {
        const auto& [name, there] = *home;
        auto next = name == cursor.account ? place_of(there, cursor.name) : there.tokens.begin();
        if (name == cursor.account && is_at(next, there, cursor.name)) ++next;
        for (; next != there.tokens.end(); ++next) {
            if (!visit(there.account, token_in(there, *next))) return;
        }
    }
}

// The parts of `info` that the contract gives for Retrieve and Verify, and all of them.
Info brief_info(const Account& account, const Token& token, const Generation& generation);
Info brief_info(const Verified& verified);
Info full_info(const Account& account, const Token& token);

}  // namespace hwvault::vault
