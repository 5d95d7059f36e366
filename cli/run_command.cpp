// SPDX-License-Identifier: LGPL-2.1-or-later
//
// run: a command with tokens in its environment, and in nobody else's.
//
// The variables are put together in locked memory and handed to execve(2) from there; this process's own environment
// never has them. The command takes the place of this process, so its exit code is the caller's answer.
#include <algorithm>
#include <cerrno>
#include <memory>
#include <system_error>
#include <utility>

#include <unistd.h>

#include <CLI/CLI.hpp>

#include "cli/commands.h"

extern char** environ;

namespace hwvault::cli {
namespace {

struct Variable {
    std::string name;
    Target target;
};

Failure usage(std::string sentence) {
    return {HWVAULT_ERROR_INVALID_ARGUMENT, std::move(sentence)};
}

bool is_variable_name(std::string_view name) {
    const auto is_letter = [](char c) { return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '_'; };
    const auto is_part = [&](char c) { return is_letter(c) || (c >= '0' && c <= '9'); };
    return !name.empty() && is_letter(name.front()) && std::all_of(name.begin(), name.end(), is_part);
}

// VAR=NAME or VAR=ACCOUNT/NAME.
Answer<Variable> parse_variable(const std::string& text) {
    const auto equals = text.find('=');
    if (equals == std::string::npos || !is_variable_name(text.substr(0, equals))) {
        return usage("`" + text + "` is not of the form VAR=NAME or VAR=ACCOUNT/NAME.");
    }
    Variable variable{text.substr(0, equals), {}};
    const std::string token = text.substr(equals + 1);
    const auto slash = token.rfind('/');
    if (slash != std::string::npos) variable.target.account = token.substr(0, slash);
    variable.target.name = slash == std::string::npos ? token : token.substr(slash + 1);
    return variable;
}

// "NAME=secret" and its NUL, as execve(2) wants it.
Answer<SecretBytes> entry_of(const std::string& name, const SecretBytes& secret) {
    const BytesView content = secret.reveal();
    if (std::find(content.begin(), content.end(), 0) != content.end()) {
        return usage("The secret for " + name + " has a NUL byte, which no variable can hold. Use `hwvault get`.");
    }
    SecretBytes entry(name.size() + 1 + content.size() + 1);
    const auto place = entry.reveal_to_fill();
    std::copy(name.begin(), name.end(), place.begin());
    place[name.size()] = '=';
    std::copy(content.begin(), content.end(), place.begin() + static_cast<std::ptrdiff_t>(name.size() + 1));
    return entry;
}

// The environment of this process without `variables`, then the secret entries.
std::vector<char*> environment_with(const std::vector<Variable>& variables, std::vector<SecretBytes>& entries) {
    std::vector<char*> environment;
    for (char** entry = environ; *entry != nullptr; ++entry) {
        const std::string_view text(*entry);
        const bool replaced = std::any_of(variables.begin(), variables.end(), [&](const Variable& variable) {
            return text.starts_with(variable.name + "=");
        });
        if (!replaced) environment.push_back(*entry);
    }
    for (SecretBytes& entry : entries) environment.push_back(reinterpret_cast<char*>(entry.reveal_to_fill().data()));
    environment.push_back(nullptr);
    return environment;
}

Answer<Exit> run(Session& session, const std::vector<std::string>& given, std::vector<std::string> command) {
    if (command.empty()) return usage("The command is missing: hwvault run --env VAR=NAME -- COMMAND ...");
    std::vector<Variable> variables;
    std::vector<SecretBytes> entries;
    for (const std::string& text : given) {
        HWVAULT_TRY(Variable variable, parse_variable(text));
        HWVAULT_TRY(const Retrieved retrieved, session.ask("The vault is getting the token ...", [&](Door& door) {
            return door.retrieve(variable.target);
        }));
        HWVAULT_TRY(SecretBytes entry, entry_of(variable.name, retrieved.secret));
        entries.push_back(std::move(entry));
        variables.push_back(std::move(variable));
    }
    const std::vector<char*> environment = environment_with(variables, entries);
    std::vector<char*> arguments;
    for (std::string& argument : command) arguments.push_back(argument.data());
    arguments.push_back(nullptr);
    ::execvpe(arguments.front(), arguments.data(), environment.data());
    return usage("Cannot run " + command.front() + ": " + std::generic_category().message(errno) + ".");
}

}  // namespace

void add_run_command(CLI::App& app, Session& session, const std::vector<std::string>& command) {
    CLI::App* const run_command = app.add_subcommand("run", "Run a command with tokens in its environment");
    auto variables = std::make_shared<std::vector<std::string>>();
    run_command->add_option("--env", *variables, "VAR=NAME or VAR=ACCOUNT/NAME; may be given many times")
        ->required()
        ->allow_extra_args(false);
    run_command->footer("hwvault run --env VAR=[ACCOUNT/]NAME -- COMMAND ...");
    run_command->callback([&session, variables, command] {
        session.work = [&session, variables, command] { return run(session, *variables, command); };
    });
}

}  // namespace hwvault::cli
