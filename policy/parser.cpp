// SPDX-License-Identifier: LGPL-2.1-or-later
#include "policy/parser.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <iterator>
#include <optional>
#include <utility>

#include <toml++/toml.h>

#include "foundation/duration.h"
#include "foundation/short_words.h"

namespace hwvault::policy {
namespace {

constexpr std::string_view kUnitSeparators = ".-_@";
constexpr std::string_view kTokenSeparators = ".-_";
constexpr std::string_view kScopeSeparators = ":/._-";
constexpr std::string_view kEveryVerb = "*";
// What stands for the star when a pattern's beginning is held to the grammar of whole names.
constexpr std::string_view kAnyRest = "x";
constexpr std::string_view kUnitEnding = ".service";

bool is_rule_name(std::string_view name) {
    const auto fits = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-'; };
    return !name.empty() && name.size() <= kMaxRuleNameSize && name.front() != '-' && std::ranges::all_of(name, fits);
}

std::optional<vault::Verb> verb_of(std::string_view word) {
    const auto found = std::ranges::find(kRuledVerbs, word, [](vault::Verb verb) { return vault::word(verb); });
    if (found == kRuledVerbs.end()) return std::nullopt;
    return *found;
}

// The grammars of names are those of the vault: what it would not take as a name is none in a rule either.
bool is_account(const std::string& text) { return vault::AccountName::parse(text).has_value(); }
bool is_user_name(const std::string& text) { return vault::AccountName::of_user(text).has_value(); }
bool is_group(const std::string& text) { return vault::checked_owners({"group:" + text}).has_value(); }
bool is_unit_name(const std::string& text) { return is_account("unit:" + text); }
bool is_token(const std::string& text) { return !text.empty() && vault::TokenName::parse(text).has_value(); }
bool is_scope(const std::string& text) { return vault::checked_scopes({text}).has_value(); }

// "CALLS/SPAN": 20/second, 100/minute, 1000/hour, 5000/day.
std::optional<Rate> rate_of(std::string_view text) {
    constexpr std::array<std::pair<std::string_view, std::uint32_t>, 4> kSpans{
        {{"/second", 1}, {"/minute", 60}, {"/hour", 3'600}, {"/day", 86'400}}};
    Rate rate;
    const auto [rest, error] = std::from_chars(text.data(), text.data() + text.size(), rate.calls);
    if (error != std::errc{} || rate.calls == 0) return std::nullopt;
    const std::string_view span(rest, text.data() + text.size());
    const auto found = std::ranges::find(kSpans, span, [](const auto& known) { return known.first; });
    if (found == kSpans.end()) return std::nullopt;
    rate.seconds = found->second;
    return rate;
}

// A kind of pattern: where a star may stand, and what the names look like.
struct Grammar {
    std::string_view separators;
    bool (*fits)(const std::string&);
    std::string_view wanted;
};
constexpr Grammar kUnits{kUnitSeparators, is_unit_name, "a unit, as \"billing.service\" or \"worker@*\""};
constexpr Grammar kTokens{kTokenSeparators, is_token, "a token's name, as \"deploy\" or \"ci-*\""};
constexpr Grammar kScopes{kScopeSeparators, is_scope, "a scope, as \"repo:read\" or \"repo:*\""};
constexpr Grammar kAccounts{kAccountSeparators, is_account,
                            "an account, as \"app:billing\", \"app:ci-*\", \"@self\" or \"@owner\""};

constexpr std::array<std::string_view, 12> kKeys{"name",     "anyone", "user",   "group",      "unit",   "verbs",
                                                 "accounts", "tokens", "scopes", "max_expiry", "owners", "rate"};

std::optional<Pattern> pattern_of(const std::string& text, const Grammar& grammar) {
    if (!text.ends_with('*')) return grammar.fits(text) ? std::optional(Pattern{text, false}) : std::nullopt;
    std::string begin = text.substr(0, text.size() - 1);
    if (begin.empty()) return Pattern{"", true};
    if (grammar.separators.find(begin.back()) == std::string_view::npos) return std::nullopt;
    std::string whole = begin + std::string(kAnyRest);
    if (begin.starts_with("unit:") || &grammar == &kUnits) whole += kUnitEnding;
    if (!grammar.fits(whole)) return std::nullopt;
    return Pattern{std::move(begin), true};
}

Error wrong_in(const std::string& file, const toml::source_region& where, std::string_view what) {
    return invalid_argument(file + ", line " + std::to_string(where.begin.line) + ", column " +
                            std::to_string(where.begin.column) + ": " + with_short_words(what));
}

// One [[allow]] or [[deny]], read key by key.
class RuleReader {
public:
    RuleReader(const std::string& file, const toml::table& table, Rule::Effect effect) : file_(file), table_(table) {
        rule_.effect = effect;
        rule_.file = file;
        rule_.line = table.source().begin.line;
    }

    Result<Rule> read() {
        HWVAULT_CHECK(check_keys());
        HWVAULT_CHECK(read_name());
        HWVAULT_CHECK(read_callers());
        HWVAULT_CHECK(read_verbs());
        HWVAULT_CHECK(read_accounts());
        HWVAULT_CHECK(read_patterns("tokens", kTokens, rule_.tokens));
        HWVAULT_CHECK(read_limits());
        return std::move(rule_);
    }

private:
    struct Text {
        std::string text;
        toml::source_region where;
    };

    [[nodiscard]] Error wrong(const toml::source_region& where, const std::string& what) const {
        return wrong_in(file_, where, what);
    }
    [[nodiscard]] Error must_be(const toml::source_region& where, std::string_view key, std::string_view wanted) const {
        return wrong(where, "`" + std::string(key) + "` must be " + std::string(wanted) + ".");
    }
    [[nodiscard]] bool has(std::string_view key) const { return table_.contains(key); }

    Result<void> check_keys() {
        for (const auto& [key, node] : table_) {
            if (std::ranges::find(kKeys, key.str()) != kKeys.end()) continue;
            return wrong(key.source(), "`" + std::string(key.str()) + "` is not a key of a rule. See hwvault-policy(5).");
        }
        return {};
    }

    // A key that is one text or a list of them; empty when it is not there.
    Result<std::vector<Text>> texts(std::string_view key, std::string_view wanted) {
        std::vector<Text> found;
        const toml::node* const node = table_.get(key);
        if (node == nullptr) return found;
        const std::string kind = std::string(wanted) + ", or a list of such";
        const auto add = [&](const toml::node& one) -> bool {
            const auto text = one.value_exact<std::string>();
            if (text) found.push_back({*text, one.source()});
            return text.has_value();
        };
        const toml::array* const list = node->as_array();
        if (list == nullptr) {
            if (!add(*node)) return must_be(node->source(), key, kind);
            return found;
        }
        if (list->empty()) return must_be(node->source(), key, kind + ", and not empty: leave it out instead");
        if (list->size() > kMaxListed) {
            return must_be(node->source(), key, "a list of at most " + std::to_string(kMaxListed));
        }
        for (const toml::node& one : *list) {
            if (!add(one)) return must_be(one.source(), key, kind);
        }
        return found;
    }

    Result<void> read_flag(std::string_view key, bool& target) {
        const toml::node* const node = table_.get(key);
        if (node == nullptr) return {};
        if (node->value_exact<bool>() != true) return must_be(node->source(), key, "true, or left out");
        target = true;
        return {};
    }

    Result<void> read_name() {
        const toml::node* const node = table_.get("name");
        if (node == nullptr) {
            return wrong(table_.source(), "The rule has no `name`, which the audit trail and explanations call it by.");
        }
        const auto name = node->value_exact<std::string>();
        if (!name || !is_rule_name(*name)) {
            return must_be(node->source(), "name", "1 to 64 of the characters a-z, 0-9 and -, not beginning with -");
        }
        rule_.name = *name;
        return {};
    }

    Result<void> read_names(std::string_view key, bool (*fits)(const std::string&), std::vector<std::string>& target) {
        const std::string wanted = "the name of a " + std::string(key) + " (no pattern)";
        HWVAULT_TRY(const auto names, texts(key, wanted));
        for (const Text& name : names) {
            if (!fits(name.text)) return must_be(name.where, key, wanted);
            target.push_back(name.text);
        }
        return {};
    }

    Result<void> read_patterns(std::string_view key, const Grammar& grammar, std::vector<Pattern>& target) {
        HWVAULT_TRY(const auto written, texts(key, grammar.wanted));
        for (const Text& one : written) HWVAULT_CHECK(add_pattern(key, one, grammar, target));
        return {};
    }

    Result<void> add_pattern(std::string_view key, const Text& written, const Grammar& grammar,
                             std::vector<Pattern>& target) {
        auto pattern = pattern_of(written.text, grammar);
        if (!pattern) {
            return must_be(written.where, key, std::string(grammar.wanted) +
                                                   "; a star stands at the end, alone or after one of " +
                                                   std::string(grammar.separators));
        }
        target.push_back(std::move(*pattern));
        return {};
    }

    Result<void> read_callers() {
        HWVAULT_CHECK(read_flag("anyone", rule_.anyone));
        HWVAULT_CHECK(read_names("user", is_user_name, rule_.users));
        HWVAULT_CHECK(read_names("group", is_group, rule_.groups));
        HWVAULT_CHECK(read_patterns("unit", kUnits, rule_.units));
        const bool names_some = has("user") || has("group") || has("unit");
        if (!rule_.anyone && !names_some) {
            return wrong(table_.source(), "The rule names nobody: give it `user`, `group` or `unit`, or `anyone = true`.");
        }
        if (rule_.anyone && names_some) {
            return must_be(table_.get("anyone")->source(), "anyone", "left out of a rule that names a user, group or unit");
        }
        return {};
    }

    Result<void> read_verbs() {
        constexpr std::string_view kWanted =
            "one of Retrieve, Revoke, RevokeToken, Rotate, Verify, Create, Import, Delete and Describe, or \"*\" for all";
        HWVAULT_TRY(const auto words, texts("verbs", kWanted));
        if (words.empty()) return wrong(table_.source(), "The rule has no `verbs`.");
        for (const Text& word : words) {
            const auto verb = verb_of(word.text);
            if (!verb && word.text != kEveryVerb) return must_be(word.where, "verbs", kWanted);
            if (verb) rule_.verbs.add(*verb);
            else for (const vault::Verb every : kRuledVerbs) rule_.verbs.add(every);
        }
        return {};
    }

    Result<void> read_accounts() {
        HWVAULT_TRY(const auto written, texts("accounts", kAccounts.wanted));
        if (written.empty()) return wrong(table_.source(), "The rule has no `accounts`.");
        for (const Text& one : written) {
            if (one.text == "@self") rule_.self = true;
            else if (one.text == "@owner") rule_.owned = true;
            else HWVAULT_CHECK(add_pattern("accounts", one, kAccounts, rule_.accounts));
        }
        return {};
    }

    Result<void> read_limits() {
        for (const std::string_view key : {"scopes", "max_expiry", "owners", "rate"}) {
            if (!has(key) || rule_.effect == Rule::Effect::kAllow) continue;
            return must_be(table_.get(key)->source(), key, "left out of a [[deny]], which denies it all");
        }
        const bool makes = rule_.verbs.has(vault::Verb::kCreate) || rule_.verbs.has(vault::Verb::kImport);
        for (const std::string_view key : {"scopes", "max_expiry", "owners"}) {
            if (!has(key) || makes) continue;
            return must_be(table_.get(key)->source(), key, "left out of a rule without Create and Import");
        }
        if (has("rate") && rule_.verbs.has(vault::Verb::kVerify)) {
            return must_be(table_.get("rate")->source(), "rate",
                           "left out of a rule with Verify, which costs no more than a hash");
        }
        HWVAULT_CHECK(read_flag("owners", rule_.limits.owners));
        if (has("scopes")) HWVAULT_CHECK(read_patterns("scopes", kScopes, rule_.limits.scopes.emplace()));
        HWVAULT_CHECK(
            read_limit("max_expiry", parse_duration, "a span of time, as \"90d\" or \"12h\"", rule_.limits.max_expiry));
        return read_limit("rate", rate_of, "a rate, as \"20/minute\" (or second, hour, day)", rule_.limits.rate);
    }

    template <class T>
    Result<void> read_limit(std::string_view key, std::optional<T> (*value_of)(std::string_view), std::string_view wanted,
                            std::optional<T>& target) {
        const toml::node* const node = table_.get(key);
        if (node == nullptr) return {};
        const auto text = node->value_exact<std::string>();
        if (text) target = value_of(*text);
        if (!target) return must_be(node->source(), key, wanted);
        return {};
    }

    const std::string& file_;
    const toml::table& table_;
    Rule rule_;
};

Result<void> read_rules(const std::string& file, const toml::node& list, Rule::Effect effect, std::vector<Rule>& rules) {
    const toml::array* const tables = list.as_array();
    if (tables == nullptr || !tables->is_array_of_tables()) {
        return wrong_in(file, list.source(), "A rule is a table with its effect in double brackets: [[allow]] or [[deny]].");
    }
    for (const toml::node& table : *tables) {
        HWVAULT_TRY(Rule rule, RuleReader(file, *table.as_table(), effect).read());
        rules.push_back(std::move(rule));
    }
    return {};
}

}  // namespace

Result<std::vector<Rule>> parse(const std::string& file, std::string_view text) {
    try {
        const toml::table root = toml::parse(text, file);
        std::vector<Rule> allow;
        std::vector<Rule> deny;
        for (const auto& [key, node] : root) {
            const bool allows = key.str() == "allow";
            if (!allows && key.str() != "deny") {
                return wrong_in(file, key.source(), "`" + std::string(key.str()) +
                                                          "` is not known: a policy has [[allow]] and [[deny]] only.");
            }
            HWVAULT_CHECK(allows ? read_rules(file, node, Rule::Effect::kAllow, allow)
                                 : read_rules(file, node, Rule::Effect::kDeny, deny));
        }
        std::vector<Rule> rules;
        std::merge(std::move_iterator(allow.begin()), std::move_iterator(allow.end()), std::move_iterator(deny.begin()),
                   std::move_iterator(deny.end()), std::back_inserter(rules),
                   [](const Rule& one, const Rule& other) { return one.line < other.line; });
        return rules;
    } catch (const toml::parse_error& error) {
        return wrong_in(file, error.source(), std::string(error.description()) + ".");
    }
}

}  // namespace hwvault::policy
