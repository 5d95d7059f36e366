// SPDX-License-Identifier: LGPL-2.1-or-later
#include "daemon/vault/vault.h"

#include <algorithm>
#include <cstring>
#include <string>
#include <utility>

#include "foundation/secret.h"

namespace hwvault::vault {
namespace {

// Ids are uniformly random, so their first bytes are as good a hash as any.
std::size_t first_bytes(const void* id) {
    std::size_t hash = 0;
    std::memcpy(&hash, id, sizeof hash);
    return hash;
}

const Generation* find_generation(const Token& token, std::uint64_t number) {
    const auto found = std::ranges::find(token.generations, number, &Generation::number);
    return found != token.generations.end() ? &*found : nullptr;
}

bool is_active(const Verified& found, UnixTime now) {
    const bool dead = found.token->revoked && found.generation == &found.token->current();
    const UnixTime end = found.generation->expires_at;
    return !dead && (end == kNever || now < end);
}

}  // namespace

std::size_t Vault::IdHash::operator()(const Id& id) const noexcept {
    return first_bytes(id.data());
}

std::size_t Vault::TokenIdHash::operator()(const crypto::TokenId& id) const noexcept {
    return first_bytes(id.data());
}

Vault::Vault(Id id, std::string prefix, Quotas quotas) : id_(id), prefix_(std::move(prefix)), quotas_(quotas) {}

std::size_t Vault::account_count() const {
    return accounts_.size();
}

std::size_t Vault::token_count() const {
    return tokens_.size();
}

const Account* Vault::find(const AccountName& name) const {
    const auto found = accounts_.find(name.text());
    return found != accounts_.end() ? found->second.get() : nullptr;
}

const Account* Vault::account(const Id& id) const {
    const auto found = account_by_id_.find(id);
    return found != account_by_id_.end() ? found->second : nullptr;
}

const Token* Vault::find(const AccountName& account, const TokenName& name) const {
    const auto found = tokens_.find(Position{account.text(), name.text()});
    return found != tokens_.end() ? found->second.get() : nullptr;
}

std::size_t Vault::tokens_of(const AccountName& account) const {
    const auto found = tokens_of_account_.find(account.text());
    return found != tokens_of_account_.end() ? found->second : 0;
}

std::optional<Verified> Vault::recognise(BytesView token_text) const {
    const auto proof = crypto::prove_token_text(prefix_, token_text);
    if (!proof) return std::nullopt;
    const auto place = index_.find(proof->id);
    if (place == index_.end()) return std::nullopt;
    const Token* const token = token_by_id_.at(place->second.token);
    const Generation* const generation = find_generation(*token, place->second.generation);
    if (!generation->hash || !equal_in_constant_time(*generation->hash, proof->hash)) return std::nullopt;
    return Verified{account(token->account), token, generation};
}

std::optional<Verified> Vault::verify(BytesView token_text, UnixTime now) const {
    const auto found = recognise(token_text);
    return found && is_active(*found, now) ? found : std::nullopt;
}

bool Vault::knows_id(const crypto::TokenId& id) const {
    return index_.contains(id);
}

void Vault::apply(const Change& change) {
    for (const AccountWrite& write : change.accounts) {
        if (!write.erase) load(write.account);
    }
    for (const TokenWrite& write : change.tokens) {
        if (write.erase) {
            drop(write.token.id);
        } else {
            load(write.token);
        }
    }
    // Last, since a token's place is found through its account.
    for (const AccountWrite& write : change.accounts) {
        if (!write.erase) continue;
        account_by_id_.erase(write.account.id);
        accounts_.erase(write.account.name.text());
    }
}

void Vault::load(Account account) {
    auto& place = accounts_[account.name.text()];
    if (place == nullptr) {
        place = std::make_unique<Account>(std::move(account));
    } else {
        account_by_id_.erase(place->id);
        *place = std::move(account);
    }
    account_by_id_[place->id] = place.get();
}

void Vault::load(Token token) {
    const auto known = token_by_id_.find(token.id);
    Token* place = nullptr;
    if (known != token_by_id_.end()) {
        place = known->second;
        forget_generations(*place);
        *place = std::move(token);
    } else {
        const std::string& owner = account(token.account)->name.text();
        ++tokens_of_account_[owner];
        const Position position{owner, token.name.text()};
        place = tokens_.insert_or_assign(position, std::make_unique<Token>(std::move(token))).first->second.get();
        token_by_id_[place->id] = place;
    }
    for (const Generation& generation : place->generations) {
        index_[generation.id] = Location{place->id, generation.number};
    }
}

void Vault::drop(const Id& id) {
    const auto known = token_by_id_.find(id);
    const Token& token = *known->second;
    forget_generations(token);
    const std::string owner = account(token.account)->name.text();
    const auto count = tokens_of_account_.find(owner);
    if (--count->second == 0) tokens_of_account_.erase(count);
    const Position position{owner, token.name.text()};
    token_by_id_.erase(known);
    tokens_.erase(position);
}

void Vault::forget_generations(const Token& token) {
    for (const Generation& generation : token.generations) index_.erase(generation.id);
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
