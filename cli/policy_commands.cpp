// SPDX-License-Identifier: LGPL-2.1-or-later
//
// policy check, explain, who: the rules in the files, asked as hwvaultd asks them, and without it. Where a vault answers
// that decides by other rules, that is said on standard error: the answer is about the files.
#include <algorithm>
#include <array>
#include <chrono>
#include <filesystem>
#include <memory>
#include <optional>
#include <utility>

#include <CLI/CLI.hpp>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>

#include "cli/commands.h"
#include "cli/configuration.h"
#include "cli/duration.h"
#include "cli/output.h"
#include "cli/verbs.h"
#include "foundation/hex.h"
#include "os/user.h"
#include "policy/explanation.h"
#include "policy/files/files.h"

namespace hwvault::cli {
namespace {

namespace json = boost::json;

constexpr auto kPatience = std::chrono::seconds(2);  // that a vault may take to say which rules it has
constexpr std::uint32_t kOrdinaryUid = 1'000;        // of a user that this machine does not know

// What the command line says.
struct Asked {
    std::string folder;
    std::string user;
    std::vector<std::string> groups;
    std::string unit;
    std::vector<std::string> owners;
    std::vector<std::string> scopes;
    std::string expires;
    std::string verb{"Retrieve"};
    std::string object;
};

struct Rules {
    std::filesystem::path folder;
    std::vector<policy::Source> sources;
    policy::Policy policy;
};

Failure wrong(std::string sentence) {
    return {HWVAULT_ERROR_INVALID_ARGUMENT, std::move(sentence)};
}

Answer<std::filesystem::path> folder_of(const Session& session, const Asked& asked) {
    if (!asked.folder.empty()) return std::filesystem::path(asked.folder);
    HWVAULT_TRY(const Configuration configuration, read_configuration_if_any(session.settings));
    return std::filesystem::path(configuration.policy);
}

Answer<Rules> read_rules(const Session& session, const Asked& asked) {
    HWVAULT_TRY(std::filesystem::path folder, folder_of(session, asked));
    auto sources = policy::read_sources(folder);
    if (!sources) return wrong(sources.error().message);
    HWVAULT_TRY(policy::Policy policy, policy::Policy::of(*sources));
    return Rules{std::move(folder), std::move(*sources), std::move(policy)};
}

// Silent where no vault answers: the files are what was asked about.
void compare_with_vault(Session& session, const policy::Policy& policy) {
    const auto door = session.open_door(kPatience);
    if (!door) return;
    const Answer<Report> report = (*door)->status();
    if (!report) return;
    const std::string digest = value_of(*report, "policy_digest");
    const std::string trouble = value_of(*report, "reload_error");
    if (digest.empty() || hex_of(policy.digest()).starts_with(digest)) return;
    if (trouble.empty()) {
        warn("The vault that answers has other rules in force than these files. `systemctl reload hwvaultd`, or SIGHUP, has "
             "it read its own anew.");
    } else {
        warn("The vault that answers has other rules in force than these files. When it last read its own, it refused "
             "them: " + trouble);
    }
}

std::string place_of(const policy::Rule& rule) {
    return rule.file + ", line " + std::to_string(rule.line);
}

json::object to_json(const policy::Rule& rule) {
    return {{"rule", rule.name}, {"file", rule.file}, {"line", rule.line}};
}

std::string list_of(const std::vector<std::string>& words) {
    std::string text;
    for (const std::string& word : words) text += (text.empty() ? "" : ", ") + word;
    return text;
}

json::array to_json(const std::vector<std::string>& words) {
    return json::array(words.begin(), words.end());
}

Answer<vault::Verb> verb_named(const std::string& text) {
    const auto verb = verb_written(text);
    if (verb && std::ranges::find(policy::kRuledVerbs, *verb) != std::ranges::end(policy::kRuledVerbs)) return *verb;
    return wrong("`" + text + "` is no verb that rules are about. These are Retrieve, Revoke, RevokeToken, Rotate, Verify, "
                 "Create, Import, Delete and Describe.");
}

// ACCOUNT or ACCOUNT/NAME.
Answer<policy::Object> object_of(const Asked& asked) {
    const std::size_t slash = asked.object.find('/');
    HWVAULT_TRY(auto account, vault::AccountName::parse(asked.object.substr(0, slash)));
    HWVAULT_TRY(auto name, vault::TokenName::parse(slash == std::string::npos ? "" : asked.object.substr(slash + 1)));
    HWVAULT_TRY(auto owners, vault::checked_owners(asked.owners));
    return policy::Object{.account = std::move(account), .name = std::move(name), .owners = std::move(owners)};
}

std::string full_name(const policy::Object& object) {
    return object.account.text() + "/" + object.name.text();
}

// Whose an app: is stands in the vault. Where one answers in time, and --owner does not say otherwise, it is asked.
void learn_owners(Session& session, policy::Object& object) {
    if (object.account.kind() != vault::AccountKind::kApp || !object.owners.empty()) return;
    const auto door = session.open_door(kPatience);
    if (!door) return;
    const auto infos = (*door)->list(object.account.text());
    if (infos && !infos->empty()) object.owners = infos->front().owners;
}

void mention_owners(const policy::Object& object) {
    if (object.account.kind() != vault::AccountKind::kApp || !object.owners.empty()) return;
    warn("Whose " + object.account.text() + " is stands in the vault, which does not answer, or has no such account that you may see: "
         "say it with --owner.");
}

std::string owners_line(const policy::Object& object) {
    if (object.owners.empty()) return {};
    return printable(object.account.text() + " has the owners " + list_of(object.owners)) + "\n";
}

Answer<policy::Caller> caller_of(const Asked& asked) {
    policy::Caller caller;
    caller.groups = asked.groups;
    if (!asked.unit.empty()) {
        HWVAULT_CHECK(vault::AccountName::parse("unit:" + asked.unit));
        caller.unit = asked.unit;
    }
    if (asked.user.empty()) {
        if (caller.unit || !caller.groups.empty()) return caller;
        return wrong("Say who asks: --user, --group or --unit.");
    }
    HWVAULT_CHECK(vault::AccountName::of_user(asked.user));
    caller.user = asked.user;
    auto found = os::find_user(asked.user);
    if (!found && found.error().code != ErrorCode::kNotFound) return found.error();
    caller.uid = found ? found->uid : kOrdinaryUid;
    if (found && asked.groups.empty()) caller.groups = std::move(found->groups);
    return caller;
}

std::string name_of(const policy::Caller& caller) {
    const std::string user = caller.user ? *caller.user : "a caller without a name";
    return user + (caller.unit ? " in " + *caller.unit : "");
}

// Of what a Create or Import would make.
Answer<policy::Wanted> wanted_by(const Asked& asked, vault::Verb verb) {
    const bool makes = verb == vault::Verb::kCreate || verb == vault::Verb::kImport;
    if (!makes && (!asked.scopes.empty() || !asked.expires.empty())) {
        return wrong("--scope and --expires are for Create and Import.");
    }
    policy::Wanted wanted{.owners = false, .string = makes, .scopes = {}, .expires_in = std::nullopt};
    HWVAULT_TRY(wanted.scopes, vault::checked_scopes(asked.scopes));
    if (asked.expires.empty()) return wanted;
    HWVAULT_TRY(const std::chrono::seconds lifetime, duration_named(asked.expires));
    wanted.expires_in = static_cast<std::uint64_t>(lifetime.count());
    return wanted;
}

Answer<Exit> check(Session& session, const Asked& asked) {
    const Answer<Rules> rules = read_rules(session, asked);
    if (!rules) {
        session.report(rules.error());
        return kNo;
    }
    const auto count_in = [&](const std::string& file) {
        return std::ranges::count(rules->policy.rules(), file, &policy::Rule::file);
    };
    std::vector<std::vector<std::string>> rows;
    json::array files;
    for (const policy::Source& source : rules->sources) {
        rows.push_back({source.file, std::to_string(count_in(source.file)) + " rules"});
        files.push_back(json::object{{"file", source.file}, {"rules", count_in(source.file)}});
    }
    rows.push_back({"all", std::to_string(rules->policy.rules().size()) + " rules"});
    HWVAULT_CHECK(session.print(table(rows), json::object{{"rules", rules->policy.rules().size()},
                                                          {"files", std::move(files)},
                                                          {"digest", hex_of(rules->policy.digest())}}));
    compare_with_vault(session, rules->policy);
    return kYes;
}

std::string explained(const policy::Explanation& why, const std::string& question) {
    const auto& [decision, rule, needs] = why;
    std::string text = (decision.allowed ? "allowed: " : "refused: ") + printable(question) + "\n";
    if (rule == nullptr) text += decision.beyond_limits ? "No rule allows as much.\n" : "No rule allows it.\n";
    else text += table({{"rule", rule->name}, {"where", place_of(*rule)}});
    if (decision.rate) {
        text += "at most " + std::to_string(decision.rate->calls) + " times in " + std::to_string(decision.rate->seconds) +
                " s\n";
    }
    for (const policy::Need& need : needs) {
        const std::string by = " (" + need.rule->name + ", " + place_of(*need.rule) + ")";
        text += printable("To be allowed it: " + need.sentence + by) + "\n";
    }
    return text;
}

json::object to_json(const policy::Explanation& why) {
    json::object object{{"allowed", why.decision.allowed}, {"rule", why.decision.rule}};
    if (why.rule != nullptr) {
        object["file"] = why.rule->file;
        object["line"] = why.rule->line;
    }
    if (why.decision.rate) {
        object["rate"] = json::object{{"calls", why.decision.rate->calls}, {"seconds", why.decision.rate->seconds}};
    }
    json::array needs;
    for (const policy::Need& need : why.needs) {
        json::object one = to_json(*need.rule);
        one["need"] = need.sentence;
        needs.push_back(std::move(one));
    }
    object["needs"] = std::move(needs);
    return object;
}

Answer<Exit> explain(Session& session, const Asked& asked) {
    HWVAULT_TRY(const vault::Verb verb, verb_named(asked.verb));
    HWVAULT_TRY(policy::Object object, object_of(asked));
    HWVAULT_TRY(const policy::Caller caller, caller_of(asked));
    HWVAULT_TRY(const policy::Wanted wanted, wanted_by(asked, verb));
    HWVAULT_TRY(const Rules rules, read_rules(session, asked));
    learn_owners(session, object);
    const policy::Explanation why = policy::explain(rules.policy, {caller, verb, object, wanted});
    const bool allowed = why.decision.allowed;
    const std::string question = name_of(caller) + (allowed ? " may " : " may not ") + std::string(vault::word(verb)) + " " +
                                 full_name(object);
    json::object answer = to_json(why);
    answer["verb"] = vault::word(verb);
    answer["account"] = object.account.text();
    answer["name"] = object.name.text();
    answer["groups"] = to_json(caller.groups);
    answer["owners"] = to_json(object.owners);
    HWVAULT_CHECK(session.print(explained(why, question) + owners_line(object), answer));
    if (!allowed) mention_owners(object);
    compare_with_vault(session, rules.policy);
    return allowed ? kYes : kNo;
}

json::array to_json(const std::vector<policy::Grant>& grants) {
    json::array array;
    for (const policy::Grant& grant : grants) {
        json::object one = to_json(*grant.rule);
        one["who"] = to_json(grant.who);
        array.push_back(std::move(one));
    }
    return array;
}

std::string grant_table(const std::vector<policy::Grant>& grants) {
    std::vector<std::vector<std::string>> rows{{"WHO", "RULE", "WHERE"}};
    for (const policy::Grant& grant : grants) rows.push_back({list_of(grant.who), grant.rule->name, place_of(*grant.rule)});
    return table(rows);
}

Answer<Exit> who(Session& session, const Asked& asked) {
    HWVAULT_TRY(const vault::Verb verb, verb_named(asked.verb));
    HWVAULT_TRY(policy::Object object, object_of(asked));
    HWVAULT_TRY(const Rules rules, read_rules(session, asked));
    learn_owners(session, object);
    const policy::Access access = policy::who_may(rules.policy, verb, object);
    const std::string deed = std::string(vault::word(verb)) + " " + full_name(object);
    std::string text = access.grants.empty() ? "No rule lets anybody " + deed + ".\n"
                                             : "may " + deed + ":\n" + grant_table(access.grants);
    if (!access.but_not.empty()) text += "\nbut not:\n" + grant_table(access.but_not);
    if (!object.owners.empty()) text += "\n" + owners_line(object);
    HWVAULT_CHECK(session.print(text, json::object{{"verb", vault::word(verb)},
                                                   {"account", object.account.text()},
                                                   {"name", object.name.text()},
                                                   {"owners", to_json(object.owners)},
                                                   {"may", to_json(access.grants)},
                                                   {"but_not", to_json(access.but_not)}}));
    mention_owners(object);
    compare_with_vault(session, rules.policy);
    return kYes;
}

struct Command {
    const char* name;
    const char* description;
    Answer<Exit> (*work)(Session&, const Asked&);
};

CLI::App* add(CLI::App& parent, Session& session, const Command& added, const std::shared_ptr<Asked>& asked) {
    CLI::App* const command = parent.add_subcommand(added.name, added.description);
    command->add_option("--policy", asked->folder, "The folder of rules; else [vault] policy of --config")
        ->check(CLI::ExistingDirectory);
    add_configuration(*command, session);
    command->callback([&session, asked, work = added.work] {
        session.work = [&session, asked, work] { return work(session, *asked); };
    });
    return command;
}

// One value each time it is given, so that what follows it is not taken for another.
void add_list(CLI::App& command, const std::string& name, std::vector<std::string>& values, const std::string& description) {
    command.add_option(name, values, description)->allow_extra_args(false);
}

void add_object(CLI::App& command, Asked& asked) {
    command.add_option("ACCOUNT[/NAME]", asked.object, "As app:billing/ci; without a name `default`")->required();
    add_list(command, "--owner", asked.owners, "An owner of the app: account, as user:alice; may be repeated");
}

}  // namespace

void add_policy_commands(CLI::App& app, Session& session) {
    CLI::App* const group = app.add_subcommand("policy", "Ask the rules of who may do what: hwvault-policy(5)");
    group->require_subcommand(1);
    add(*group, session, {"check", "Read the rules as hwvaultd does, and say what is wrong", check}, std::make_shared<Asked>());

    const auto explained = std::make_shared<Asked>();
    CLI::App* const explain_command =
        add(*group, session, {"explain", "Say why somebody may do something or not", explain}, explained);
    explain_command->add_option("--user", explained->user, "Who asks");
    add_list(*explain_command, "--group", explained->groups, "A group that it is in; else those that the system says");
    explain_command->add_option("--unit", explained->unit, "The unit that it asks from, as billing.service");
    add_list(*explain_command, "--scope", explained->scopes, "A scope that a Create or Import would give");
    explain_command->add_option("--expires", explained->expires, "When what it makes would end, as 90d; else never");
    explain_command->add_option("VERB", explained->verb, "As Retrieve or revoke")->required();
    add_object(*explain_command, *explained);

    const auto sought = std::make_shared<Asked>();
    CLI::App* const who_command = add(*group, session, {"who", "Say who may do something, by which rules", who}, sought);
    who_command->add_option("--verb", sought->verb, "What it is about")->capture_default_str();
    add_object(*who_command, *sought);
}

}  // namespace hwvault::cli
