// SPDX-License-Identifier: LGPL-2.1-or-later
//
// get, verify, create, import: where a token or a secret goes out or comes in.
#include <memory>

#include <unistd.h>

#include <CLI/CLI.hpp>
#include <boost/json/object.hpp>

#include "cli/commands.h"
#include "cli/duration.h"
#include "cli/output.h"
#include "libclient/wire/varlink.h"

namespace hwvault::cli {
namespace {

namespace json = boost::json;

struct NewToken {
    Target target;
    std::vector<std::string> scopes;
    std::vector<std::string> owners;
    std::string expires;
    std::string description;
};

Answer<Options> options_of(const NewToken& given) {
    Options options;
    if (!given.scopes.empty()) options.scopes = given.scopes;
    if (!given.owners.empty()) options.owners = given.owners;
    options.description = given.description;
    if (given.expires.empty()) return options;
    HWVAULT_TRY(const std::chrono::seconds lifetime, duration_named(given.expires));
    if (lifetime.count() == 0) return Failure{HWVAULT_ERROR_INVALID_ARGUMENT, "--expires must be longer than nothing."};
    options.expires_in = static_cast<std::uint64_t>(lifetime.count());
    return options;
}

// Put together and written in locked memory, as it holds the secret.
Answer<void> print_secret_json(const Retrieved& retrieved) {
    wire::Encoded encoded = wire::encode_secret(retrieved.secret.reveal());
    json::object object(wire::locked_storage());
    object["token"] = std::move(encoded.text);
    if (encoded.base64) object["base64"] = true;
    object["info"] = to_json(retrieved.info);
    SecretBytes text = wire::serialize(object);
    text.reveal_to_fill().back() = '\n';  // in place of the NUL
    return write_out(STDOUT_FILENO, text.reveal());
}

Answer<Exit> get(Session& session, const Target& target, bool copy) {
    HWVAULT_TRY(const Retrieved retrieved,
                session.ask("The vault is getting the token ...", [&](Door& door) { return door.retrieve(target); }));
    if (copy) {
        HWVAULT_CHECK(copy_to_clipboard(retrieved.secret.reveal()));
        const std::string said = printable(full_name(retrieved.info)) + " is in the clipboard.\n";
        HWVAULT_CHECK(write_out(STDERR_FILENO, bytes_of(said)));
    } else if (session.settings.json) {
        HWVAULT_CHECK(print_secret_json(retrieved));
    } else {
        HWVAULT_CHECK(write_out(STDOUT_FILENO, retrieved.secret.reveal()));
        if (is_terminal(STDOUT_FILENO)) HWVAULT_CHECK(write_out(STDOUT_FILENO, bytes_of("\n")));
    }
    return kYes;
}

Answer<Exit> verify(Session& session) {
    HWVAULT_TRY(const SecretBytes token, read_token());
    HWVAULT_TRY(const Verification verification,
                session.ask("The vault is verifying ...", [&](Door& door) { return door.verify(token.reveal()); }));
    if (!verification.active) {
        HWVAULT_CHECK(session.print("not active\n", json::object{{"active", false}}));
        return kNo;
    }
    HWVAULT_CHECK(session.print("active\n" + details(verification.info),
                                json::object{{"active", true}, {"info", to_json(verification.info)}}));
    return kYes;
}

Answer<Exit> create(Session& session, const NewToken& given) {
    HWVAULT_TRY(const Options options, options_of(given));
    HWVAULT_TRY(const Info info, session.ask("The vault is creating the token ...",
                                             [&](Door& door) { return door.create(given.target, options); }));
    if (info.id.empty()) {  // of an account that was there, whose owners alone are changed by a Create that names any
        HWVAULT_CHECK(session.print("The owners of " + given.target.account + " are now those. No token was made: for that, run this "
                                    "without --owner.\n", json::object{{"account", given.target.account}, {"owners_changed", true}}));
        return kYes;
    }
    HWVAULT_CHECK(session.print(details(info), to_json(info)));
    return kYes;
}

Answer<Exit> import(Session& session, const NewToken& given) {
    HWVAULT_TRY(const Options options, options_of(given));
    HWVAULT_TRY(const SecretBytes secret, read_content(libclient::kMaxSecretSize));
    HWVAULT_TRY(const Info info, session.ask("The vault is sealing the secret ...", [&](Door& door) {
        return door.import(given.target, secret.reveal(), options);
    }));
    HWVAULT_CHECK(session.print(details(info), to_json(info)));
    return kYes;
}

std::shared_ptr<NewToken> add_new_token(CLI::App& command) {
    auto given = std::make_shared<NewToken>();
    command.add_option("NAME", given->target.name, "Name of the token")->required();
    command.add_option("--account", given->target.account, "user:NAME, unit:NAME.service or app:NAME; else your own");
    command.add_option("--scope", given->scopes, "What the token is good for; may be given many times");
    command.add_option("--expires", given->expires, "How long it lives: 30s, 15m, 1h, 90d, 2w; else without end");
    command.add_option("--description", given->description, "One line that says what it is for");
    command.add_option("--owner", given->owners, "Of an app: user:NAME, group:NAME or unit:NAME.service; many times");
    for (const char* const repeated : {"--scope", "--owner"}) command.get_option(repeated)->allow_extra_args(false);
    return given;
}

}  // namespace

void add_target(CLI::App& command, Target& target) {
    command.add_option("NAME", target.name, "Name of the token; `default` where it may be left out");
    command.add_option("--account", target.account, "user:NAME, unit:NAME.service or app:NAME; else your own");
}

void add_token_commands(CLI::App& app, Session& session) {
    CLI::App* const get_command = app.add_subcommand("get", "Print a token, or a secret that was imported");
    auto target = std::make_shared<Target>();
    auto copy = std::make_shared<bool>(false);
    add_target(*get_command, *target);
    get_command->add_flag("--copy", *copy, "To the terminal's clipboard; nothing is printed");
    get_command->callback([&session, target, copy] {
        session.work = [&session, target, copy] { return get(session, *target, *copy); };
    });

    CLI::App* const verify_command = app.add_subcommand("verify", "Tell whether the token on standard input is good");
    verify_command->add_option("INPUT", "`-` for standard input, which is what is read in any case")
        ->check(CLI::IsMember({"-"}));
    verify_command->callback([&session] { session.work = [&session] { return verify(session); }; });

    CLI::App* const create_command = app.add_subcommand("create", "Make a named token");
    create_command->callback([&session, given = add_new_token(*create_command)] {
        session.work = [&session, given] { return create(session, *given); };
    });

    CLI::App* const import_command = app.add_subcommand("import", "Keep somebody else's secret, from standard input");
    import_command->callback([&session, given = add_new_token(*import_command)] {
        session.work = [&session, given] { return import(session, *given); };
    });
}

}  // namespace hwvault::cli
