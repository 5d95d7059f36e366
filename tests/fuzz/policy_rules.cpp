// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Any text as a file of rules: it is refused with a sentence that begins with file, line and column, or it is a policy.
// That decides the same whenever it is asked, as a look at each of its rules would, and a star in a name that a caller
// brings along opens nothing. A token in it is in no sentence.
#include <algorithm>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "policy/explanation.h"
#include "policy/policy.h"
#include "tests/fuzz/canary.h"

namespace {

using namespace hwvault;
using namespace hwvault::policy;

constexpr std::size_t kRulesLookedAt = 8;

void require(bool holds) {
    if (!holds) std::abort();
}

// Takes `word` and the digits after it from the front of `text`.
void require_number(std::string_view& text, std::string_view word) {
    require(text.starts_with(word));
    text.remove_prefix(word.size());
    const std::size_t digits = text.find_first_not_of("0123456789");
    require(digits != 0 && digits != std::string_view::npos && text.front() != '0');
    text.remove_prefix(digits);
}

void require_place(std::string_view message) {
    require_number(message, "f.toml, line ");
    require_number(message, ", column ");
    require(message.starts_with(": ") && message.size() > 3);
}

// The rule that decides, found without an index.
const Rule* decided_one_by_one(const Policy& policy, const Question& question) {
    const Rule* allowed = nullptr;
    for (const Rule& rule : policy.rules()) {
        if (!names_verb(rule, question.verb) || !names_caller(rule, question.caller) ||
            !names_object(rule, question.caller, question.object)) {
            continue;
        }
        if (rule.effect == Rule::Effect::kDeny) return &rule;
        if (allowed == nullptr && is_within(rule.limits, question.wanted)) allowed = &rule;
    }
    return allowed;
}

std::vector<Object> objects_of(const Rule& rule) {
    std::vector<Object> objects;
    const auto add = [&](const std::string& account) {
        if (auto name = vault::AccountName::parse(account)) {
            objects.push_back({.account = std::move(*name), .name = {}, .owners = {"user:alice", "user:*", "group:*"}});
        }
    };
    add("app:billing");
    for (const Pattern& account : rule.accounts) {
        add(account.text);
        add(account.text + "x");
        add(account.text + "x.service");
    }
    return objects;
}

std::vector<Caller> callers_of(const Rule& rule) {
    Caller caller{.uid = 1000, .user = "alice", .groups = rule.groups, .unit = std::nullopt, .invocation = "", .executable = ""};
    std::vector<Caller> callers{caller};
    for (const std::string& user : rule.users) caller.user = user;
    for (const Pattern& unit : rule.units) caller.unit = unit.text + (unit.is_prefix ? "x.service" : "");
    callers.push_back(caller);
    return callers;
}

void ask(const Policy& policy, const Caller& caller, const Object& object) {
    const Wanted wanted{.owners = false, .string = true, .scopes = {"read"}, .expires_in = 60};
    for (const vault::Verb verb : kRuledVerbs) {
        const Question question{caller, verb, object, wanted};
        const Rule* const rule = policy.deciding_rule(question);
        require(rule == decided_one_by_one(policy, question));
        const Explanation why = explain(policy, question);
        require(why.rule == rule);
        require(why.decision.allowed == (rule != nullptr && rule->effect == Rule::Effect::kAllow));
        require(policy.decide(caller, verb, object, wanted).rule == (rule == nullptr ? "default-deny" : rule->name));
    }
}

void require_no_way_for_a_star(const Policy& policy, const Object& object) {
    const auto names_everybody = [](const Rule& rule) {
        return rule.anyone || std::ranges::any_of(rule.units, &Pattern::matches_all);
    };
    if (std::ranges::any_of(policy.rules(), names_everybody)) return;
    const Caller star{.uid = 1000, .user = "*", .groups = {"*"}, .unit = "*", .invocation = "", .executable = "*"};
    for (const vault::Verb verb : kRuledVerbs) require(!policy.decide(star, verb, object).allowed);
    require(!policy.may_verify_any(star));
}

void refuse_without_a_token(const std::string& text) {
    const auto policy = Policy::of({{"f.toml", fuzz::with_canary(text)}});
    if (!policy) fuzz::require_silent(policy.error().message);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string text(text_of({data, size}));
    if (fuzz::knows_canary(text)) return fuzz::kNotLookedAt;
    refuse_without_a_token(text);
    const auto policy = Policy::of({{"f.toml", text}});
    if (!policy) {
        require(policy.error().code == ErrorCode::kInvalidArgument);
        require_place(policy.error().message);
        return 0;
    }
    require(Policy::of({{"g.toml", text}}).value().digest() == policy->digest());
    const std::size_t count = std::min(policy->rules().size(), kRulesLookedAt);
    for (std::size_t i = 0; i < count; ++i) {
        const Rule& rule = policy->rules()[i];
        for (const Object& object : objects_of(rule)) {
            require_no_way_for_a_star(*policy, object);
            for (const Caller& caller : callers_of(rule)) ask(*policy, caller, object);
        }
    }
    return 0;
}
