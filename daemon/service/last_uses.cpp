// SPDX-License-Identifier: LGPL-2.1-or-later
#include "daemon/service/last_uses.h"

#include <algorithm>
#include <cstring>
#include <utility>
#include <variant>

#include "daemon/audit/entry.h"

namespace hwvault::service {

std::size_t LastUses::IdHash::operator()(const vault::Id& id) const noexcept {
    std::size_t hash;
    std::memcpy(&hash, id.data(), sizeof hash);  // ids are uniformly random
    return hash;
}

void LastUses::saw(const vault::Id& token, vault::UnixTime at, std::string_view by) {
    // Most often whoever was seen last; names never go.
    if (last_name_.data() == nullptr || last_name_ != by) {
        auto name = names_.find(by);
        if (name == names_.end()) name = names_.emplace(by).first;
        last_name_ = *name;
    }
    uses_[token] = {.at = at, .by = last_name_};
}

void LastUses::heard(const vault::Id& token, vault::UnixTime at) {
    const auto known = of(token);
    if (!known || known->at < at) saw(token, at, "");
}

std::optional<Use> LastUses::of(const vault::Id& token) const {
    const auto found = uses_.find(token);
    return found == uses_.end() ? std::nullopt : std::optional(found->second);
}

void UsesOnTrail::see(const vault::EventLink& link) {
    const auto entry = audit::decode(link.body);
    const auto* const event = entry ? std::get_if<vault::Event>(&*entry) : nullptr;
    if (event == nullptr || event->verb != vault::Verb::kRetrieve) return;
    uses_[event->account + " " + event->name] = {.account = event->account,
                                                 .name = event->name,
                                                 .token_id = event->token_id,
                                                 .at = event->time,
                                                 .by = vault::name_of(event->actor)};
}

// In the second in which it was made, only what its ids prove.
bool UsesOnTrail::is_of(const vault::Token& token, const UseOf& use) {
    if (use.at != token.created_at) return use.at > token.created_at;
    return std::ranges::any_of(token.generations, [&](const vault::Generation& generation) {
        return crypto::id_text(generation.id) == use.token_id;
    });
}

LastUses UsesOnTrail::of_tokens_in(const vault::Vault& vault) const {
    LastUses uses;
    for (const auto& [token, use] : uses_) {
        const auto account = vault::AccountName::parse(use.account);
        const auto name = vault::TokenName::parse(use.name);
        const auto found = account && name ? vault.find(*account, *name) : std::nullopt;
        if (found && is_of(*found, use)) uses.saw(found->id, use.at, use.by);
    }
    return uses;
}

}  // namespace hwvault::service
