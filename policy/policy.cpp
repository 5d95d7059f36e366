// SPDX-License-Identifier: LGPL-2.1-or-later
#include "policy/policy.h"

#include <algorithm>
#include <iterator>
#include <limits>
#include <utility>

#include "foundation/fields.h"
#include "policy/parser.h"

namespace hwvault::policy {
namespace {

// Of every account, each token.
bool names_everything(const Rule& rule) {
    const bool every_token = rule.tokens.empty() || std::ranges::any_of(rule.tokens, &Pattern::matches_all);
    return every_token && std::ranges::any_of(rule.accounts, &Pattern::matches_all);
}

template <class Lists, class ByName>
void add_list(Lists& lists, const ByName& lists_by_name, std::string_view name) {
    const auto found = lists_by_name.find(name);
    if (found != lists_by_name.end()) lists.push_back(&found->second);
}

template <class Lists>
std::size_t rules_in(const Lists& lists) {
    std::size_t count = 0;
    for (const auto* list : lists) count += list->size();
    return count;
}

std::string place_of(const Rule& rule) {
    return rule.file + ", line " + std::to_string(rule.line);
}

Result<void> names_are_unique(const std::vector<Rule>& rules) {
    std::unordered_map<std::string_view, const Rule*> known;
    for (const Rule& rule : rules) {
        const auto [other, is_new] = known.emplace(rule.name, &rule);
        if (is_new) continue;
        return invalid_argument(place_of(rule) + ", column 1: The rule `" + rule.name + "` has the name of the one in " +
                                place_of(*other->second) + ". Give it another.");
    }
    return {};
}

}  // namespace

Result<Policy> Policy::of(const std::vector<Source>& sources) {
    Policy policy;
    FieldWriter fields;
    for (const Source& source : sources) {
        HWVAULT_TRY(std::vector<Rule> rules, parse(source.file, source.text));
        std::ranges::move(rules, std::back_inserter(policy.rules_));
        fields.text(source.text);
    }
    if (policy.rules_.size() > kMaxRules) {
        return invalid_argument("The policy has " + std::to_string(policy.rules_.size()) + " rules, and " +
                                std::to_string(kMaxRules) + " is the most. Name groups or patterns instead of single users.");
    }
    HWVAULT_CHECK(names_are_unique(policy.rules_));
    for (Place place = 0; place < policy.rules_.size(); ++place) policy.index(place);
    policy.digest_ = crypto::sha256(fields.view());
    return policy;
}

void Policy::index(Place place) {
    index_callers(place);
    index_objects(place);
    const Rule& rule = rules_[place];
    if (!names_verb(rule, vault::Verb::kVerify)) return;
    if (rule.effect == Rule::Effect::kDeny) verify_denials_.push_back(place);
    else if (names_everything(rule)) verify_all_.push_back(place);
}

void Policy::index_callers(Place place) {
    const Rule& rule = rules_[place];
    bool any = rule.anyone;
    for (const std::string& user : rule.users) users_[user].push_back(place);
    for (const std::string& group : rule.groups) groups_[group].push_back(place);
    for (const Pattern& unit : rule.units) {
        if (unit.is_prefix) any = true;
        else units_[unit.text].push_back(place);
    }
    if (any) any_callers_.push_back(place);
}

void Policy::index_objects(Place place) {
    const Rule& rule = rules_[place];
    for (const Pattern& account : rule.accounts) {
        (account.is_prefix ? prefixes_ : accounts_)[account.text].push_back(place);
    }
    if (rule.self || rule.owned) any_owners_.push_back(place);
}

Policy::Lists Policy::naming(const Caller& caller) const {
    Lists lists{&any_callers_};
    // uid 0 is `root`, and a name that does not stand for its user is refused by names_caller().
    if (caller.uid == 0) add_list(lists, users_, "root");
    else if (caller.user) add_list(lists, users_, *caller.user);
    for (const std::string& group : caller.groups) add_list(lists, groups_, group);
    if (caller.unit) add_list(lists, units_, *caller.unit);
    return lists;
}

// A pattern's beginning is empty or ends with a separator, so only these beginnings of the account are looked up.
Policy::Lists Policy::naming(const Object& object) const {
    const std::string_view account = object.account.text();
    Lists lists{&any_owners_};
    add_list(lists, accounts_, account);
    if (prefixes_.empty()) return lists;
    add_list(lists, prefixes_, "");
    for (std::size_t i = 0; i < account.size(); ++i) {
        if (kAccountSeparators.find(account[i]) != std::string_view::npos) add_list(lists, prefixes_, account.substr(0, i + 1));
    }
    return lists;
}

// The object's are few as a rule, and then the caller's groups need not be looked up.
Policy::Lists Policy::candidates(const Caller& caller, const Object& object) const {
    constexpr std::size_t kFew = 16;
    Lists of_object = naming(object);
    const std::size_t count = rules_in(of_object);
    if (count <= kFew) return of_object;
    Lists of_caller = naming(caller);
    return rules_in(of_caller) < count ? of_caller : of_object;
}

const Rule* Policy::deciding_rule(const Question& question) const {
    constexpr Place kNone = std::numeric_limits<Place>::max();
    Place denied = kNone;
    Place allowed = kNone;
    const auto look_at = [&](Place place) {
        const Rule& rule = rules_[place];
        Place& first = rule.effect == Rule::Effect::kDeny ? denied : allowed;
        if (place >= first || !names_verb(rule, question.verb)) return;
        if (!names_object(rule, question.caller, question.object) || !names_caller(rule, question.caller)) return;
        if (rule.effect == Rule::Effect::kDeny || is_within(rule.limits, question.wanted)) first = place;
    };
    for (const Places* places : candidates(question.caller, question.object)) std::ranges::for_each(*places, look_at);
    const Place decides = denied != kNone ? denied : allowed;
    return decides == kNone ? nullptr : &rules_[decides];
}

Decision Policy::decide(const Caller& caller, vault::Verb verb, const Object& object, const Wanted& wanted) const {
    if (const Rule* const rule = deciding_rule({caller, verb, object, wanted})) {
        return {.allowed = rule->effect == Rule::Effect::kAllow,
                .rule = rule->name,
                .rate = rule->limits.rate,
                .beyond_limits = false};
    }
    // Nothing is wanted, so that only who, what and where count.
    const bool wants = verb == vault::Verb::kCreate || verb == vault::Verb::kImport;
    const bool less_would_do = wants && deciding_rule({caller, verb, object, Wanted{}}) != nullptr;
    return {.allowed = false, .rule = "default-deny", .rate = std::nullopt, .beyond_limits = less_would_do};
}

bool Policy::may_verify_any(const Caller& caller) const {
    const auto names = [&](Place place) { return names_caller(rules_[place], caller); };
    return std::ranges::any_of(verify_all_, names) && std::ranges::none_of(verify_denials_, names);
}

}  // namespace hwvault::policy
