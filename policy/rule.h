// SPDX-License-Identifier: LGPL-2.1-or-later
//
// A rule of the policy, as hwvault-policy(5) describes it: who, which verbs, on which accounts and tokens, and within
// which limits.
//
// Pure data, made by parser.h; matching is here, deciding in policy.h.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/vault/change.h"
#include "policy/caller.h"

namespace hwvault::policy {

// What a rule may name. List and Watch show what Describe allows, and Status is open to everybody.
inline constexpr std::array kRuledVerbs{vault::Verb::kRetrieve, vault::Verb::kRevoke,  vault::Verb::kRevokeToken,
                                 vault::Verb::kRotate,   vault::Verb::kVerify,  vault::Verb::kCreate,
                                 vault::Verb::kImport,   vault::Verb::kDelete,  vault::Verb::kDescribe};

class VerbSet {
public:
    void add(vault::Verb verb) { bits_ |= bit(verb); }
    [[nodiscard]] bool has(vault::Verb verb) const { return (bits_ & bit(verb)) != 0; }
    friend bool operator==(const VerbSet&, const VerbSet&) = default;

private:
    static std::uint32_t bit(vault::Verb verb) { return 1U << static_cast<unsigned>(verb); }
    std::uint32_t bits_{0};
};

// An exact text, or the beginning of one: "app:ci-*" matches what begins with "app:ci-" and has more. The star stands at
// the end, alone or after a separator, and only a rule's own text has one: no name of a caller becomes a pattern.
struct Pattern {
    std::string text;  // without the star
    bool is_prefix{false};

    [[nodiscard]] bool matches(std::string_view name) const {
        return is_prefix ? name.size() > text.size() && name.starts_with(text) : name == text;
    }
    [[nodiscard]] bool matches_all() const { return is_prefix && text.empty(); }
    [[nodiscard]] std::string written() const { return is_prefix ? text + "*" : text; }
};
// What the star of an account's pattern stands after.
constexpr std::string_view kAccountSeparators = ":.-_@";

bool any_matches(const std::vector<Pattern>& patterns, std::string_view name);

// At most `calls` a caller (its unit, else its uid) in `seconds`, evenly.
struct Rate {
    std::uint32_t calls{0};
    std::uint32_t seconds{0};
    friend bool operator==(const Rate&, const Rate&) = default;
};

// What an allowing rule allows at most.
struct Limits {
    std::optional<std::vector<Pattern>> scopes;  // that a Create or Import may give; none: any
    std::optional<std::uint64_t> max_expiry;     // seconds in which what a Create or Import makes must end; none: never
    bool owners{false};                          // a Create or Import may name the account's owners
    std::optional<Rate> rate;
};

struct Rule {
    enum class Effect : std::uint8_t { kAllow, kDeny };

    Effect effect{Effect::kAllow};
    std::string name;  // unique in a policy; what the audit trail says
    std::string file;  // where it stands, and on which line it begins
    std::uint32_t line{0};

    bool anyone{false};
    std::vector<std::string> users;
    std::vector<std::string> groups;
    std::vector<Pattern> units;

    VerbSet verbs;
    bool self{false};   // "@self": the caller's own `user:` and `unit:`
    bool owned{false};  // "@owner": each `app:` that has the caller among its owners
    std::vector<Pattern> accounts;
    std::vector<Pattern> tokens;  // empty: every one
    Limits limits;
};

// The account and token that a verb is about. `owners` is of the account on record, empty when there is none.
struct Object {
    vault::AccountName account;
    vault::TokenName name;
    std::vector<std::string> owners;
};

// What a Create or Import would give; for other verbs nothing.
struct Wanted {
    bool owners{false};  // names the account's owners
    bool string{false};  // makes one, so that its expiry counts
    std::vector<std::string> scopes;
    std::optional<std::uint64_t> expires_in;  // seconds; none: never
};

// Each part of a rule by itself; a rule applies where all three hold.
bool names_caller(const Rule& rule, const Caller& caller);
bool names_object(const Rule& rule, const Caller& caller, const Object& object);
inline bool names_verb(const Rule& rule, vault::Verb verb) { return rule.verbs.has(verb); }
// Whether what is wanted lies within the limits of an allowing rule, its rate aside.
bool is_within(const Limits& limits, const Wanted& wanted);

}  // namespace hwvault::policy
