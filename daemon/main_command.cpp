// SPDX-License-Identifier: LGPL-2.1-or-later
#include "daemon/main_command.h"

#include <cstdlib>
#include <string>

#include <CLI/CLI.hpp>

namespace hwvault {
namespace {

constexpr ExitStatus kUsedWrongly = 2;

void add_recover(CLI::App& app, Command& command) {
    CLI::App* const recover = app.add_subcommand("recover", "Take an older store, or that of a lost device");
    CLI::Option_group* const what = recover->add_option_group("one of");
    what->add_flag("--accept-rollback", command.accept_rollback, "Yes, and revoke every token that it had issued");
    what->add_flag("--new-recipient", command.new_recipient, "Encrypt the escrow to [recovery] recipient, or to nobody");
    what->add_flag("--show-signing-key", command.show_signing_key, "Print the device's public signing key");
    CLI::Option* const from = what->add_option("--from", command.recovery.from, "The store of the lost device");
    what->require_option(1);
    CLI::Option* const key =
        recover->add_option("--recovery-key", command.recovery.recovery_key, "With --from: the private key")->needs(from);
    CLI::Option* const signing = recover->add_option("--signing-key", command.recovery.signing_key,
                                                     "With --from: the lost device's public signing key");
    signing->needs(from);
    from->needs(key)->needs(signing);
    recover->add_option("--passphrase-file", command.recovery.passphrase_file, "The recovery key's, else asked for")
        ->needs(from);
    recover->add_flag("--revoke-all", command.revoke_all, "Give every issued token a new string")->needs(from);
}

void add_development(CLI::App& app, Command& command) {
    CLI::Option* const development =
        app.add_option("--dev", command.development, "Development: everything below this folder, made on first use");
    const auto choose = [&command](const std::string& device) {
        command.simulated = device == "swtpm" ? Simulated::kSwtpm : Simulated::kSoftHsm;
    };
    app.add_option_function<std::string>("--hardware", choose, "With --dev: the simulated device, for a new DIR softhsm")
        ->check(CLI::IsMember({"softhsm", "swtpm"}))
        ->needs(development);
    app.add_option("--hardware-program", command.hardware_program, "With --dev: path of hwvault-hardware")
        ->capture_default_str();
}

}  // namespace

std::variant<Command, ExitStatus> read_command(int argc, const char* const* argv) {
    Command command;
    CLI::App app{"hwvaultd: access tokens whose keys live in hardware. See hwvaultd(8)."};
    app.set_version_flag("--version", HWVAULT_VERSION);
    app.add_option("--config", command.configuration, "Configuration file")->capture_default_str();
    add_development(app, command);
    app.require_subcommand(0, 1);
    const CLI::App* const init = app.add_subcommand("init", "Make the store of a device that has its keys");
    add_recover(app, command);
    try {
        app.parse(argc, argv);
    } catch (const CLI::ParseError& usage) {
        return app.exit(usage) == 0 ? EXIT_SUCCESS : kUsedWrongly;
    }
    command.initialise = init->parsed();
    return command;
}

}  // namespace hwvault
