// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The vault's state in memory: every account and token, in some seventy bytes a token. What a string is verified by is not
// here but in the verify index (daemon/index).
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
    // Its generations have neither nonce nor hash (record.h), here as in visit_after().
    [[nodiscard]] std::optional<Token> find(const AccountName& account, const TokenName& name) const;
    [[nodiscard]] std::size_t tokens_of(const AccountName& account) const;

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
    // Puts records in that the store has loaded and authenticated, or replaces those of the same name.
    // A token's account goes in before it.
    void load(const Account& account);
    void load(const Token& token);

private:
    // An account with its tokens, by name.
    struct Home {
        Account account;
        std::vector<Cells::Ref> tokens;
    };
    struct IdHash {
        std::size_t operator()(const Id& id) const noexcept;
    };
    [[nodiscard]] KeptToken at(Cells::Ref ref) const { return KeptToken{cells_.at(ref)}; }
    // Where a token of this name is, or would be.
    [[nodiscard]] std::vector<Cells::Ref>::const_iterator place_of(const Home& home, std::string_view name) const;
    [[nodiscard]] bool is_at(std::vector<Cells::Ref>::const_iterator place, const Home& home, std::string_view name) const;
    [[nodiscard]] Token token_in(const Home& home, Cells::Ref ref) const;

    void drop(const Token& token);
    void free(Cells::Ref ref);

    Id id_;
    std::string prefix_;
    Quotas quotas_;
    std::map<std::string, Home, std::less<>> homes_;  // by name
    std::unordered_map<Id, Home*, IdHash> home_by_id_;
    Cells cells_;
    std::size_t token_count_{0};
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
Info full_info(const Account& account, const Token& token);

}  // namespace hwvault::vault
