// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The vault's rules a second time, as plainly as they can be said: what each verb must answer, and which strings
// must be active. Shares no code with daemon/vault; test_model.cpp plays both against each other.
#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>

namespace hwvault::vault {

class Model {
public:
    static constexpr std::uint64_t kForever = std::numeric_limits<std::uint64_t>::max();
    using Key = std::pair<std::string, std::string>;  // account, name

    struct Token {
        std::uint64_t incarnation{0};  // another one after each delete and create
        bool imported{false};
        bool dead{false};  // the current generation was revoked
        std::uint64_t lifetime{0};
        std::uint64_t current{0};
        std::map<std::uint64_t, std::uint64_t> ends;  // of each generation that was not revoked or replaced
    };
    struct Account {
        std::uint32_t uid{0};
        std::set<std::string> owners;
    };
    struct Options {
        std::optional<std::set<std::string>> owners;
        std::optional<std::uint64_t> lifetime;
    };

    std::size_t per_account{0};
    std::size_t in_all{0};
    std::uint64_t now{0};
    std::map<std::string, std::uint32_t> uids;  // of users, as the name service has them now
    std::map<std::string, Account> accounts;
    std::map<Key, Token> tokens;

    std::string create(const Key& key, const Options& options) {
        if (accounts.contains(key.first) && options.owners && !options.lifetime) return change_owners(key, *options.owners);
        if (const std::string refused = refuse_account(key, options); !refused.empty()) return refused;
        const auto known = tokens.find(key);
        if (known != tokens.end() && (known->second.imported || !known->second.dead)) return "AlreadyExists";
        if (known != tokens.end() && has_living_older(known->second)) return "AlreadyExists";
        if (known == tokens.end() && is_full(key)) return "QuotaExceeded";
        open_account(key, options);
        Token& token = known != tokens.end() ? known->second : start(key, false);
        token.dead = false;
        token.lifetime = options.lifetime.value_or(0);
        next(token);
        return "Grants";
    }

    std::string import(const Key& key, const Options& options) {
        if (const std::string refused = refuse_account(key, options); !refused.empty()) return refused;
        const auto known = tokens.find(key);
        if (known != tokens.end() && !known->second.imported) return "AlreadyExists";
        if (known == tokens.end() && is_full(key)) return "QuotaExceeded";
        open_account(key, options);
        Token& token = known != tokens.end() ? known->second : start(key, true);
        const bool replaces = known != tokens.end() && !token.dead;
        if (token.dead) token.lifetime = 0;
        if (options.lifetime) token.lifetime = *options.lifetime;
        token.dead = false;
        token.ends.clear();
        next(token);
        return replaces ? "Withdraws" : "Grants";
    }

    std::string revoke(const Key& key, std::uint64_t generation) {
        const auto known = tokens.find(key);
        if (known == tokens.end()) return "NotFound";
        Token& token = known->second;
        if (generation > token.current) return "NotFound";
        if (generation != 0 && generation < token.current) {
            if (!lives(token, generation)) return "Unchanged";
            token.ends.erase(generation);
            return "Withdraws";
        }
        if (key.second == "default" && !token.imported) {
            token.ends.clear();
            next(token);
            return "Withdraws";
        }
        const bool older = generation == 0 && has_living_older(token);
        if (token.dead && !older) return "Unchanged";
        if (generation == 0) token.ends.clear();
        token.ends.erase(token.current);
        token.dead = true;
        return "Withdraws";
    }

    std::string rotate(const Key& key, std::uint64_t generation, std::uint64_t overlap) {
        if (accounts.contains(key.first) && is_others(key)) return "AccessDenied";
        const auto known = tokens.find(key);
        if (known == tokens.end()) return "NotFound";
        Token& token = known->second;
        if (token.imported) return "InvalidArgument";
        if (key.second == "default" && overlap > 0) return "InvalidArgument";
        if (generation > token.current) return "NotFound";
        if (generation != 0 && generation < token.current) return "Unchanged";
        if (token.dead) return "NotFound";
        std::erase_if(token.ends, [&](const auto& one) { return one.second <= now; });
        if (overlap == 0) token.ends.erase(token.current);
        if (token.ends.contains(token.current)) {
            if (token.ends.size() > 8) return "QuotaExceeded";
            token.ends[token.current] = std::min(token.ends[token.current], now + overlap);
        }
        next(token);
        return "Withdraws";
    }

    std::string erase(const Key& key) {
        if (tokens.erase(key) == 0) return "NotFound";
        if (count(key.first) == 0) accounts.erase(key.first);
        return "Withdraws";
    }

    [[nodiscard]] std::string retrieve(const Key& key) const {
        if (accounts.contains(key.first) && is_others(key)) return "AccessDenied";
        const auto known = tokens.find(key);
        if (known == tokens.end() || known->second.dead) return "NotFound";
        return lives(known->second, known->second.current) ? "done" : "Expired";
    }

    // Whether the string of this generation of this incarnation is good now.
    [[nodiscard]] bool is_active(const Key& key, std::uint64_t incarnation, std::uint64_t generation) const {
        const auto known = tokens.find(key);
        return known != tokens.end() && known->second.incarnation == incarnation && lives(known->second, generation);
    }

private:
    [[nodiscard]] bool lives(const Token& token, std::uint64_t generation) const {
        const auto end = token.ends.find(generation);
        return end != token.ends.end() && end->second > now;
    }
    [[nodiscard]] bool has_living_older(const Token& token) const {
        return std::ranges::any_of(
            token.ends, [&](const auto& one) { return one.first != token.current && one.second > now; });
    }
    [[nodiscard]] bool is_others(const Key& key) const {
        const auto uid = uids.find(key.first);
        return uid != uids.end() && accounts.at(key.first).uid != uid->second;
    }
    [[nodiscard]] std::size_t count(const std::string& account) const {
        return static_cast<std::size_t>(
            std::ranges::count_if(tokens, [&](const auto& token) { return token.first.first == account; }));
    }
    [[nodiscard]] bool is_full(const Key& key) const { return count(key.first) >= per_account || tokens.size() >= in_all; }

    std::string change_owners(const Key& key, const std::set<std::string>& owners) {
        if (!key.first.starts_with("app:") || owners.empty()) return "InvalidArgument";
        std::set<std::string>& now_owners = accounts[key.first].owners;
        const bool shrinks = !std::ranges::includes(owners, now_owners);
        now_owners = owners;
        return shrinks ? "Withdraws" : "Grants";
    }
    std::string refuse_account(const Key& key, const Options& options) const {
        if (accounts.contains(key.first)) {
            if (is_others(key)) return "AccessDenied";
            return options.owners ? "InvalidArgument" : "";
        }
        const bool app = key.first.starts_with("app:");
        const bool owned = options.owners && !options.owners->empty();
        return app == owned && app == options.owners.has_value() ? "" : "InvalidArgument";
    }
    void open_account(const Key& key, const Options& options) {
        if (accounts.contains(key.first)) return;
        const auto uid = uids.find(key.first);
        accounts[key.first] = {uid != uids.end() ? uid->second : 0, options.owners.value_or(std::set<std::string>{})};
    }
    Token& start(const Key& key, bool imported) {
        Token token;
        token.incarnation = ++incarnations_;
        token.imported = imported;
        return tokens[key] = token;
    }
    void next(Token& token) {
        ++token.current;
        token.ends[token.current] = token.lifetime == 0 ? kForever : now + token.lifetime;
    }

    std::uint64_t incarnations_{0};
};

}  // namespace hwvault::vault
