// SPDX-License-Identifier: LGPL-2.1-or-later
#include "daemon/vault/vault.h"

#include <algorithm>
#include <cstring>
#include <string>
#include <utility>

namespace hwvault::vault {

std::size_t Vault::IdHash::operator()(const Id& id) const noexcept {
    std::size_t hash = 0;
    std::memcpy(&hash, id.data(), sizeof hash);  // ids are uniformly random
    return hash;
}

Vault::Vault(Id id, std::string prefix, Quotas quotas) : id_(id), prefix_(std::move(prefix)), quotas_(quotas) {}

std::size_t Vault::account_count() const {
    return homes_.size();
}

std::size_t Vault::token_count() const {
    return token_count_;
}

const Account* Vault::find(const AccountName& name) const {
    const auto found = homes_.find(name.text());
    return found != homes_.end() ? &found->second.account : nullptr;
}

const Account* Vault::account(const Id& id) const {
    const auto found = home_by_id_.find(id);
    return found != home_by_id_.end() ? &found->second->account : nullptr;
}

std::optional<Token> Vault::find(const AccountName& account, const TokenName& name) const {
    const auto home = homes_.find(account.text());
    if (home == homes_.end()) return std::nullopt;
    const auto place = place_of(home->second, name.text());
    if (!is_at(place, home->second, name.text())) return std::nullopt;
    return token_in(home->second, *place);
}

std::size_t Vault::tokens_of(const AccountName& account) const {
    const auto found = homes_.find(account.text());
    return found != homes_.end() ? found->second.tokens.size() : 0;
}

std::vector<Cells::Ref>::const_iterator Vault::place_of(const Home& home, std::string_view name) const {
    return std::ranges::lower_bound(home.tokens, name, {}, [this](Cells::Ref ref) { return at(ref).name(); });
}

bool Vault::is_at(std::vector<Cells::Ref>::const_iterator place, const Home& home, std::string_view name) const {
    return place != home.tokens.end() && at(*place).name() == name;
}

Token Vault::token_in(const Home& home, Cells::Ref ref) const {
    Token token = at(ref).read();
    token.account = home.account.id;
    return token;
}

void Vault::apply(const Change& change) {
    for (const AccountWrite& write : change.accounts) {
        if (!write.erase) load(write.account);
    }
    for (const TokenWrite& write : change.tokens) {
        if (write.erase) {
            drop(write.token);
        } else {
            load(write.token);
        }
    }
    // Last, since a token's place is found through its account.
    for (const AccountWrite& write : change.accounts) {
        if (!write.erase) continue;
        home_by_id_.erase(write.account.id);
        homes_.erase(write.account.name.text());
    }
}

void Vault::load(const Account& account) {
    const auto [found, is_new] = homes_.try_emplace(account.name.text(), Home{account, {}});
    Home& home = found->second;
    if (!is_new) {
        home_by_id_.erase(home.account.id);
        home.account = account;
    }
    home_by_id_[account.id] = &home;
}

void Vault::load(const Token& token) {
    Home& home = *home_by_id_.at(token.account);
    const std::string& name = token.name.text();
    const auto place = home.tokens.begin() + (place_of(home, name) - home.tokens.cbegin());
    const bool is_there = is_at(place, home, name);
    if (is_there) free(*place);
    const Cells::Ref ref = cells_.put(keep(token));
    if (is_there) {
        *place = ref;
    } else {
        home.tokens.insert(place, ref);
        ++token_count_;
    }
}

void Vault::drop(const Token& token) {
    Home& home = *home_by_id_.at(token.account);
    const auto place = place_of(home, token.name.text());
    free(*place);
    home.tokens.erase(place);
    --token_count_;
}

void Vault::free(Cells::Ref ref) {
    cells_.drop(ref, at(ref).size());
}

Info brief_info(const Account& account, const Token& token, const Generation& generation) {
    Info info;
    info.account = account.name.text();
    info.name = token.name.text();
    info.id = crypto::id_text(generation.id);
    info.generation = generation.number;
    info.expires_at = generation.expires_at;
    info.scopes = token.scopes;
    return info;
}

Info full_info(const Account& account, const Token& token) {
    Info info = brief_info(account, token, token.current());
    info.origin = token.origin;
    info.created_at = token.created_at;
    info.changed_at = token.changed_at;
    info.description = token.description;
    info.uid = account.uid;
    info.owners = account.owners;
    info.revoked = token.revoked;
    return info;
}

}  // namespace hwvault::vault
