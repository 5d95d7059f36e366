// SPDX-License-Identifier: LGPL-2.1-or-later
//
// When tokens were last used and by whom, as far as the verify index does not tell it: every Retrieve, from the audit trail as far
// as the store still has it; and without by whom, the last verification of what a change has ended, and what the store has of
// a token that no verifier can meet.
//
// A name is kept once, however many tokens it has used. Pure; not thread-safe.
#pragma once

#include <algorithm>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>

#include "daemon/vault/change.h"
#include "daemon/vault/vault.h"

namespace hwvault::service {

struct Use {
    vault::UnixTime at{0};
    std::string_view by;  // vault::name_of(); lives as long as what it was asked of
};

class LastUses {
public:
    LastUses() = default;
    LastUses(LastUses&&) = default;
    LastUses& operator=(LastUses&&) = default;

    // Allocates only what was not seen before.
    void saw(const vault::Id& token, vault::UnixTime at, std::string_view by);
    // By somebody, unless something as late is known.
    void heard(const vault::Id& token, vault::UnixTime at);
    void forget(const vault::Id& token) { uses_.erase(token); }
    [[nodiscard]] std::optional<Use> of(const vault::Id& token) const;
    [[nodiscard]] std::size_t count() const { return uses_.size(); }

    // Calls `visit(token, at)` for those from `since` on, some hundreds at a time. Begins where the last call with this `place` has left
    // off; false at the end. What was changed meanwhile may come twice.
    struct Place {
        std::size_t buckets{0};
        std::size_t next{0};
    };
    template <class Visit>
    bool visit_some(Place& place, vault::UnixTime since, Visit visit) const;

private:
    struct IdHash {
        std::size_t operator()(const vault::Id& id) const noexcept;
    };
    struct NameHash {
        using is_transparent = void;
        std::size_t operator()(std::string_view name) const noexcept { return std::hash<std::string_view>{}(name); }
    };
    std::unordered_map<vault::Id, Use, IdHash> uses_;
    std::unordered_set<std::string, NameHash, std::equal_to<>> names_;
    std::string_view last_name_;  // one of these
};

// Where the map has grown, everything lies elsewhere.
template <class Visit>
bool LastUses::visit_some(Place& place, vault::UnixTime since, Visit visit) const {
    constexpr std::size_t kAtOnce = 256;
    const std::size_t buckets = uses_.bucket_count();
    if (place.buckets != buckets) place = {.buckets = buckets, .next = 0};
    for (const std::size_t end = std::min(buckets, place.next + kAtOnce); place.next < end; ++place.next) {
        for (auto use = uses_.begin(place.next); use != uses_.end(place.next); ++use) {
            if (use->second.at >= since) visit(use->first, use->second.at);
        }
    }
    return place.next < buckets;
}

// What the trail tells, entry by entry from its beginning. It has a token by account and name, and one that had the name
// before, deleted since, is another.
class UsesOnTrail {
public:
    void see(const vault::EventLink& link);
    [[nodiscard]] LastUses of_tokens_in(const vault::Vault& vault) const;

private:
    struct UseOf {
        std::string account;
        std::string name;
        std::string token_id;
        vault::UnixTime at;
        std::string by;
    };
    static bool is_of(const vault::Token& token, const UseOf& use);

    std::unordered_map<std::string, UseOf> uses_;  // by "ACCOUNT NAME"
};

}  // namespace hwvault::service
