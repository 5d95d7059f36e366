// SPDX-License-Identifier: LGPL-2.1-or-later
#include "daemon/vault/recovery.h"

#include <algorithm>
#include <iterator>

#include "daemon/vault/planning.h"

namespace hwvault::vault {
namespace {

UnixTime earlier(UnixTime left, UnixTime right) {
    if (left == kNever || right == kNever) return std::max(left, right);
    return std::min(left, right);
}

// The same generation in the file as it is; nullptr when it has ended or was revoked.
const Generation* living(const Generation& then, const Token& now) {
    const auto found = std::ranges::find(now.generations, then.id, &Generation::id);
    if (found == now.generations.end()) return nullptr;
    const bool dead = now.revoked && found->id == now.current().id;
    return dead ? nullptr : &*found;
}

}  // namespace

std::optional<Account> still_good(const Account& then, const std::optional<Account>& now) {
    if (!now) return std::nullopt;
    Account account = then;
    std::erase_if(account.owners, [&](const std::string& owner) {
        return std::ranges::find(now->owners, owner) == now->owners.end();
    });
    return account;
}

std::optional<Token> still_good(const Token& then, const std::optional<Token>& now) {
    if (!now) return std::nullopt;
    if (then == *now) return then;
    // A dead one stays as it is: what matters of it is that its string is no good.
    if (!then.revoked && living(then.current(), *now) == nullptr) return std::nullopt;
    Token token = then;
    token.generations.clear();
    for (const Generation& generation : then.generations) {
        const Generation* const same = living(generation, *now);
        const bool is_dead_current = then.revoked && generation.id == then.current().id;
        if (same == nullptr && !is_dead_current) continue;
        token.generations.push_back(generation);
        if (same == nullptr) continue;
        token.generations.back().expires_at = earlier(generation.expires_at, same->expires_at);
    }
    return token;
}

Token replaced(const Token& token, const Occasion& occasion) {
    Token fresh = token;
    start_generation(fresh, {}, occasion);
    fresh.changed_at = occasion.now;
    return fresh;
}

}  // namespace hwvault::vault
