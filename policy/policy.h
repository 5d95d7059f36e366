// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The one gate: every door's every operation asks it, with the caller's own identity.
//
// A deny rule that applies wins, else the first allow rule (in the order of files and lines) within whose limits the call
// lies; where there is neither, nothing is allowed. decide() neither locks nor makes a system call, and looks only at the
// rules that name the object, or at those that name the caller where these are fewer. Immutable, so thread-safe; a reload
// makes another one and swaps the pointer.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "crypto/digest.h"
#include "foundation/result.h"
#include "policy/rule.h"

namespace hwvault::policy {

constexpr std::size_t kMaxRules = 10'000;

struct Decision {
    bool allowed{false};
    std::string rule;           // the name of the rule that decided; "default-deny" when none allows
    std::optional<Rate> rate;   // of that rule
    bool beyond_limits{false};  // not allowed, but a smaller wish would be
};

// One question to the gate.
struct Question {
    const Caller& caller;
    vault::Verb verb;
    const Object& object;
    const Wanted& wanted;
};

// A text of rules and the name that errors and explanations call it by.
struct Source {
    std::string file;
    std::string text;
};

class Policy {
public:
    // Of all files, in this order. kInvalidArgument with file, line and column: see parser.h; also for two rules of one
    // name, and for more than kMaxRules.
    static Result<Policy> of(const std::vector<Source>& sources);

    // `verb` is one of kRuledVerbs: nothing allows another.
    [[nodiscard]] Decision decide(const Caller& caller, vault::Verb verb, const Object& object,
                                  const Wanted& wanted = {}) const;
    // The rule that decides, or null: none allows it.
    [[nodiscard]] const Rule* deciding_rule(const Question& question) const;
    // May verify whatever is shown, known or not: a rule allows it of every account and token, and none that names the
    // caller denies any.
    [[nodiscard]] bool may_verify_any(const Caller& caller) const;

    [[nodiscard]] const std::vector<Rule>& rules() const { return rules_; }
    // SHA-256 over the texts of its files in their order: two policies with the same digest decide the same, wherever the
    // files lie.
    [[nodiscard]] const crypto::Digest& digest() const { return digest_; }

private:
    struct Hash {
        using is_transparent = void;
        std::size_t operator()(std::string_view text) const { return std::hash<std::string_view>{}(text); }
    };
    using Place = std::uint32_t;  // in rules_
    using Places = std::vector<Place>;
    using ByName = std::unordered_map<std::string, Places, Hash, std::equal_to<>>;
    using Lists = std::vector<const Places*>;

    void index(Place place);
    void index_callers(Place place);
    void index_objects(Place place);
    // The lists that together have each rule that names the caller, or the object.
    [[nodiscard]] Lists naming(const Caller& caller) const;
    [[nodiscard]] Lists naming(const Object& object) const;
    [[nodiscard]] Lists candidates(const Caller& caller, const Object& object) const;

    std::vector<Rule> rules_;
    ByName users_;
    ByName groups_;
    ByName units_;
    Places any_callers_;  // name anyone, or units by a pattern
    ByName accounts_;
    ByName prefixes_;    // by a pattern's beginning
    Places any_owners_;  // "@self" and "@owner"
    Places verify_all_;  // allow to verify every token of every account
    Places verify_denials_;
    crypto::Digest digest_{};
};

}  // namespace hwvault::policy
