// SPDX-License-Identifier: LGPL-2.1-or-later
#include "daemon/service/index_tables.h"

#include <algorithm>

namespace hwvault::service {
namespace {

using index::Writer;

bool is_dead(const vault::Token& token, const vault::Generation& generation) {
    return token.revoked && generation.id == token.current().id;
}

// What is there of it, with the hash that is on record if that is known here.
std::optional<index::Stored> there_of(const index::Key& key, const vault::Generation& generation, const Beside& beside) {
    std::optional<index::Stored> stored;
    if (generation.hash) stored = {.hash = *generation.hash, .used = 0};
    else if (beside.before != nullptr) stored = beside.before->stored(key);
    if (stored) stored->used = std::max(stored->used, static_cast<std::uint32_t>(beside.used));
    return stored;
}

// One without a hash here and in the table before is one that a change has just ended, and that the vault still has.
bool put_generation(Writer& table, const index::Key& key, const vault::Token& token, const vault::Generation& generation,
                    const Beside& beside) {
    const bool live = !is_dead(token, generation);
    if (const auto there = there_of(key, generation, beside)) {
        return table.put({.key = key,
                          .hash = there->hash,
                          .live = live,
                          .expires_at = generation.expires_at,
                          .scopes = token.scopes,
                          .used = there->used});
    }
    table.set(key, live, generation.expires_at);
    return true;
}

// Of the account as the change leaves it; null when that is not known.
const vault::AccountName* owner_of(const vault::TokenWrite& write, const vault::Change& change, const vault::Vault& vault) {
    for (const vault::AccountWrite& account : change.accounts) {
        if (account.account.id == write.token.account) return &account.account.name;
    }
    const vault::Account* const known = vault.account(write.token.account);
    return known == nullptr ? nullptr : &known->name;
}

void drop_ended(Writer& table, const vault::TokenWrite& write, const vault::AccountName& owner, const vault::Vault& vault) {
    const auto before = vault.find(owner, write.token.name);
    if (!before) return;
    const auto& after = write.token.generations;
    for (const vault::Generation& generation : before->generations) {
        const bool stays = !write.erase && std::ranges::find(after, generation.id, &vault::Generation::id) != after.end();
        if (!stays) table.drop(key_of(owner.text(), *before, generation));
    }
}

}  // namespace

std::uint32_t slots_for(std::size_t tokens) {
    const std::size_t wanted = tokens * 100 / 66;
    return static_cast<std::uint32_t>(std::clamp<std::size_t>(wanted, index::kMinSlots, index::kMaxSlots));
}

index::Key key_of(std::string_view account, const vault::Token& token, const vault::Generation& generation) {
    return {.id = generation.id, .generation = generation.number, .account = account, .name = token.name.text()};
}

bool put(Writer& table, std::string_view account, const vault::Token& token, const Beside& beside) {
    return std::ranges::all_of(token.generations, [&](const vault::Generation& generation) {
        return !generation.given || put_generation(table, key_of(account, token, generation), token, generation, beside);
    });
}

// What ends first, so that its room is there for what comes.
bool apply(Writer& table, const vault::Change& change, const vault::Vault& vault) {
    for (const vault::TokenWrite& write : change.tokens) {
        if (const auto* const owner = owner_of(write, change, vault)) drop_ended(table, write, *owner, vault);
    }
    bool placed = true;
    for (const vault::TokenWrite& write : change.tokens) {
        const auto* const owner = owner_of(write, change, vault);
        if (owner != nullptr && !write.erase) placed = put(table, owner->text(), write.token) && placed;
    }
    return placed;
}

Result<std::unique_ptr<Writer>> copy_table(const vault::Vault& vault, const Writer& before, std::size_t tokens) {
    HWVAULT_TRY(std::unique_ptr<Writer> table, Writer::make(vault.prefix(), slots_for(tokens)));
    bool placed = true;
    vault.visit_after({}, [&](const vault::Account& account, const vault::Token& token) {
        placed = put(*table, account.name.text(), token, {.before = &before, .used = 0});
        return placed;
    });
    if (placed) return table;
    if (table->slots() < index::kMaxSlots) return copy_table(vault, before, table->slots());
    return Error{ErrorCode::kQuotaExceeded, "The vault has more tokens than the verify index has places."};
}

Result<std::unique_ptr<Writer>> larger_table(const vault::Vault& vault, const Writer& before) {
    if (before.slots() < index::kMaxSlots) return copy_table(vault, before, before.slots());
    return Error{ErrorCode::kQuotaExceeded, "The vault has more tokens than the verify index has places."};
}

}  // namespace hwvault::service
