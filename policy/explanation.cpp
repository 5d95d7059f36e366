// SPDX-License-Identifier: LGPL-2.1-or-later
#include "policy/explanation.h"

#include <algorithm>
#include <optional>
#include <utility>

namespace hwvault::policy {
namespace {

using vault::AccountKind;

std::string joined(const std::vector<std::string>& words, std::string_view between) {
    std::string text;
    for (const std::string& word : words) {
        if (!text.empty()) text += between;
        text += word;
    }
    return text;
}

std::vector<std::string> callers_of(const Rule& rule) {
    if (rule.anyone) return {"anyone"};
    std::vector<std::string> who;
    for (const std::string& user : rule.users) who.push_back("user:" + user);
    for (const std::string& group : rule.groups) who.push_back("group:" + group);
    for (const Pattern& unit : rule.units) who.push_back("unit:" + unit.written());
    return who;
}

// Whether the object's token is one of the rule's, and by what its account may be: a pattern, or who it belongs to.
struct Reach {
    bool by_pattern{false};
    bool by_self{false};
    bool by_owner{false};
};
Reach reach_of(const Rule& rule, const Object& object) {
    if (!rule.tokens.empty() && !any_matches(rule.tokens, object.name.text())) return {};
    const bool is_app = object.account.kind() == AccountKind::kApp;
    return {.by_pattern = any_matches(rule.accounts, object.account.text()),
            .by_self = rule.self && !is_app,
            .by_owner = rule.owned && is_app};
}

std::string limits_sentence(const Limits& limits, const Wanted& wanted) {
    std::vector<std::string> wishes;
    if (wanted.owners && !limits.owners) wishes.emplace_back("name no owners");
    if (limits.max_expiry && wanted.string && (!wanted.expires_in || *wanted.expires_in > *limits.max_expiry)) {
        wishes.push_back("let it expire within " + std::to_string(*limits.max_expiry) + " seconds");
    }
    if (limits.scopes && !is_within({.scopes = limits.scopes, .max_expiry = {}, .owners = true, .rate = {}}, wanted)) {
        std::vector<std::string> scopes;
        for (const Pattern& scope : *limits.scopes) scopes.push_back(scope.written());
        wishes.push_back("ask for no scopes but " + joined(scopes, ", "));
    }
    return joined(wishes, ", and ");
}

// What is missing for this rule to allow it; nullopt when it is about something else.
std::optional<std::string> need_of(const Rule& rule, const Question& question) {
    const Reach reach = reach_of(rule, question.object);
    const bool named = names_caller(rule, question.caller);
    const std::string also = named ? "" : ", and be named by the rule: " + joined(callers_of(rule), ", ");
    if (names_object(rule, question.caller, question.object)) {
        if (named) return limits_sentence(rule.limits, question.wanted);
        return "be one of " + joined(callers_of(rule), ", ");
    }
    if (reach.by_self) return "be " + question.object.account.text() + also;
    if (!reach.by_owner) return std::nullopt;
    if (question.object.owners.empty()) {
        return "be an owner of " + question.object.account.text() + ", which has none: an administrator names them with its "
               "first token" + also;
    }
    return "be an owner of it: " + joined(question.object.owners, ", ") + also;
}

}  // namespace

Explanation explain(const Policy& policy, const Question& question) {
    Explanation explanation{
        .decision = policy.decide(question.caller, question.verb, question.object, question.wanted),
        .rule = policy.deciding_rule(question),
        .needs = {}};
    if (explanation.decision.allowed) return explanation;
    if (explanation.rule != nullptr) {
        const std::string denied = joined(callers_of(*explanation.rule), ", ");
        explanation.needs.push_back({explanation.rule, "not be denied it as one of " + denied});
        return explanation;
    }
    for (const Rule& rule : policy.rules()) {
        if (rule.effect != Rule::Effect::kAllow || !names_verb(rule, question.verb)) continue;
        auto sentence = need_of(rule, question);
        if (!sentence) continue;
        explanation.needs.push_back({&rule, std::move(*sentence)});
        if (explanation.needs.size() == kMaxNeeds) break;
    }
    return explanation;
}

Access who_may(const Policy& policy, vault::Verb verb, const Object& object) {
    Access access;
    for (const Rule& rule : policy.rules()) {
        if (!names_verb(rule, verb)) continue;
        const Reach reach = reach_of(rule, object);
        std::vector<std::string> who;
        if (reach.by_pattern) {
            who = callers_of(rule);
        } else if (reach.by_self || reach.by_owner) {
            who = reach.by_self ? std::vector{object.account.text()} : object.owners;
            // A rule that names some of those whose account it is.
            if (!rule.anyone) for (std::string& one : who) one += " (if it is one of " + joined(callers_of(rule), ", ") + ")";
        }
        if (who.empty()) continue;
        auto& grants = rule.effect == Rule::Effect::kAllow ? access.grants : access.but_not;
        grants.push_back({&rule, std::move(who)});
    }
    return access;
}

}  // namespace hwvault::policy
