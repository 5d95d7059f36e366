// SPDX-License-Identifier: LGPL-2.1-or-later
//
// init, recover, reseal, units: what an administrator does with the whole vault. The work is done by the daemon's and
// the hardware child's own programs, which alone may touch store and device; here they are found and run in order.
#include <filesystem>
#include <memory>
#include <optional>
#include <system_error>

#include <unistd.h>

#include <CLI/CLI.hpp>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>

#include "cli/commands.h"
#include "cli/configuration.h"
#include "cli/output.h"
#include "os/run.h"

namespace hwvault::cli {
namespace {

namespace json = boost::json;
using std::filesystem::path;

struct Setup {
    std::string hardware_state{"/var/lib/hwvault-hardware"};
    std::string pin_file;
    std::string current_pin_file;
    std::vector<std::string> expected;
    bool no_pin{false};
    bool accept_rollback{false};
    bool new_recipient{false};
    bool show_signing_key{false};
    std::string from;
    std::string recovery_key;
    std::string signing_key;
    std::string passphrase_file;
    bool revoke_all{false};
};

Answer<void> require_root(const std::string& what) {
    if (::geteuid() == 0) return {};
    return Failure{HWVAULT_ERROR_ACCESS_DENIED, what + " is for root, who owns the store. Run `sudo hwvault " + what + "`."};
}

// Beside this program, where a build leaves it, else where it is installed.
Answer<path> find_program(const std::string& name) {
    for (const path& folder : {os::own_folder(), path(HWVAULT_SBIN), path(HWVAULT_LIBEXEC)}) {
        if (::access((folder / name).c_str(), X_OK) == 0) return folder / name;
    }
    return Failure{HWVAULT_ERROR_INTERNAL, name + " is neither beside hwvault nor in " HWVAULT_SBIN " or " HWVAULT_LIBEXEC
                                                  ". Install the package hwvault as a whole."};
}

Answer<std::string> run_program(const std::string& name, std::vector<std::string> arguments, const std::string& meanwhile) {
    HWVAULT_TRY(const path program, find_program(name));
    std::optional<Progress> progress;
    if (!meanwhile.empty()) progress.emplace(meanwhile);
    HWVAULT_TRY(std::string output, os::run({program, std::move(arguments), {}}));
    return output;
}

std::vector<std::string> hardware_arguments(const std::string& verb, const Session& session, const Setup& setup) {
    std::vector<std::string> arguments{verb, "--config", session.settings.configuration, "--state", setup.hardware_state};
    if (!setup.pin_file.empty()) arguments.insert(arguments.end(), {"--pin-file", setup.pin_file});
    return arguments;
}

Answer<Exit> init(Session& session, const Setup& setup) {
    HWVAULT_CHECK(require_root("init"));
    const std::string& configuration = session.settings.configuration;
    HWVAULT_TRY(const std::string keys, run_program("hwvault-hardware", hardware_arguments("init", session, setup),
                                                    "Making the keys inside the device ..."));
    HWVAULT_TRY(const std::string store, run_program("hwvaultd", {"--config", configuration, "init"},
                                                     "Making the store ..."));
    HWVAULT_CHECK(session.print(keys + store + "The vault is set up. Next: start hwvaultd, then `hwvault get`.\n",
                                json::object{{"initialised", true}, {"hardware", keys}, {"store", store}}));
    return kYes;
}

Answer<std::string> run_recover(const Session& session, std::vector<std::string> options, const std::string& meanwhile) {
    std::vector<std::string> arguments{"--config", session.settings.configuration, "recover"};
    arguments.insert(arguments.end(), options.begin(), options.end());
    return run_program("hwvaultd", std::move(arguments), meanwhile);
}

// The private key's passphrase is asked for by hwvaultd, so nothing moves on the terminal meanwhile.
Answer<Exit> recover_lost(Session& session, const Setup& setup) {
    if (setup.recovery_key.empty() || setup.signing_key.empty()) {
        return Failure{HWVAULT_ERROR_INVALID_ARGUMENT,
                       "Recovering takes three files: --from STORE, the store of the lost device; --recovery-key KEY, the "
                       "private key that was kept elsewhere; --signing-key PUB, the public key that `hwvault init` printed."};
    }
    std::vector<std::string> options{"--from", setup.from, "--recovery-key", setup.recovery_key, "--signing-key",
                                     setup.signing_key};
    if (!setup.passphrase_file.empty()) options.insert(options.end(), {"--passphrase-file", setup.passphrase_file});
    if (setup.revoke_all) options.emplace_back("--revoke-all");
    HWVAULT_TRY(const std::string output, run_recover(session, std::move(options), ""));
    HWVAULT_CHECK(session.print(output + "Next: start hwvaultd.\n", json::object{{"recovered", true}, {"report", output}}));
    return kYes;
}

Answer<Exit> recover(Session& session, const Setup& setup) {
    HWVAULT_CHECK(require_root("recover"));
    if (!setup.from.empty()) return recover_lost(session, setup);
    if (setup.show_signing_key) {
        HWVAULT_TRY(const std::string key, run_recover(session, {"--show-signing-key"}, "Asking the device ..."));
        HWVAULT_CHECK(session.print(key, json::object{{"signing_key", key.substr(key.find("-----BEGIN"))}}));
        return kYes;
    }
    if (setup.new_recipient) {
        HWVAULT_TRY(const std::string output, run_recover(session, {"--new-recipient"}, "Encrypting every string ..."));
        HWVAULT_CHECK(session.print(output + "Next: start hwvaultd.\n", json::object{{"changed", true}, {"report", output}}));
        return kYes;
    }
    if (!setup.accept_rollback) {
        return Failure{HWVAULT_ERROR_INVALID_ARGUMENT,
                       "Of a store that is older than the device remembers: what was made since then is lost, and every token "
                       "that the store had issued is revoked, since any of them may have been. Put the latest copy of the store "
                       "back, or accept that with `hwvault recover --accept-rollback`. Of a device that is lost: `hwvault "
                       "recover --from STORE --recovery-key KEY --signing-key PUB`. Of another recovery key: `--new-recipient`. "
                       "Of the device's public key: `--show-signing-key`."};
    }
    HWVAULT_TRY(const std::string output, run_recover(session, {"--accept-rollback"}, "Taking the store as it is ..."));
    HWVAULT_CHECK(session.print(output + "The store is accepted as it is, and that is on the record.\n",
                                json::object{{"accepted", true}}));
    return kYes;
}

Answer<Exit> reseal(Session& session, const Setup& setup) {
    HWVAULT_TRY(const Configuration configuration, read_configuration(session.settings.configuration));
    if (configuration.hardware_kind != "tpm") {
        HWVAULT_CHECK(session.print("Nothing to do: a PKCS#11 token has no PCR policy that an update could break.\n",
                                    json::object{{"resealed", false}, {"kind", configuration.hardware_kind}}));
        return kYes;
    }
    HWVAULT_CHECK(require_root("reseal"));
    std::vector<std::string> arguments = hardware_arguments("reseal", session, setup);
    if (!setup.current_pin_file.empty()) arguments.insert(arguments.end(), {"--current-pin-file", setup.current_pin_file});
    if (setup.no_pin) arguments.emplace_back("--no-pin");
    for (const std::string& value : setup.expected) arguments.insert(arguments.end(), {"--expect", value});
    HWVAULT_TRY(const std::string output,
                run_program("hwvault-hardware", std::move(arguments), "Binding the TPM's keys anew ..."));
    HWVAULT_CHECK(session.print(output + "The keys are bound anew; they are the same keys, and every token stays as it is. From its next "
                                           "start hwvault-hardware needs what they are bound to now, and `status` shows it.\n",
                                json::object{{"resealed", true}, {"kind", "tpm"}, {"hardware", output}}));
    return kYes;
}

Answer<Exit> units(Session& session) {
    HWVAULT_TRY(const Configuration configuration, read_configuration(session.settings.configuration));
    std::vector<std::vector<std::string>> rows{{"UNIT", "CREDENTIAL", "TOKEN"}};
    json::array array;
    for (const UnitCredential& entry : configuration.units) {
        rows.push_back({entry.unit, entry.credential, entry.account + "/" + entry.name});
        array.push_back(json::object{{"unit", entry.unit},
                                     {"credential", entry.credential},
                                     {"account", entry.account},
                                     {"name", entry.name}});
    }
    HWVAULT_CHECK(session.print(array.empty() ? "no units\n" : table(rows), array));
    return kYes;
}

void add_hardware(CLI::App& command, Setup& setup) {
    command.add_option("--pin-file", setup.pin_file, "File of mode 0600 with the device's PIN");
    command.add_option("--hardware-state", setup.hardware_state, "Folder of hwvault-hardware")->capture_default_str();
}

void add_recover(CLI::App& app, Session& session, const std::shared_ptr<Setup>& setup) {
    CLI::App* const command = app.add_subcommand("recover", "Take an older store, or that of a lost device");
    add_configuration(*command, session);
    CLI::Option* const rollback = command->add_flag("--accept-rollback", setup->accept_rollback,
                                                    "Yes, and revoke every token that it had issued");
    CLI::Option* const recipient = command->add_flag("--new-recipient", setup->new_recipient,
                                                     "Encrypt the escrow to [recovery] recipient, or to nobody");
    CLI::Option* const show = command->add_flag("--show-signing-key", setup->show_signing_key,
                                                "Print the device's public signing key");
    CLI::Option* const from = command->add_option("--from", setup->from, "The store of the lost device");
    from->excludes(rollback)->excludes(recipient)->excludes(show);
    recipient->excludes(rollback)->excludes(show);
    show->excludes(rollback);
    command->add_option("--recovery-key", setup->recovery_key, "The private key that was kept elsewhere")->needs(from);
    command->add_option("--signing-key", setup->signing_key, "The lost device's public key, as init printed it")->needs(from);
    command->add_option("--passphrase-file", setup->passphrase_file, "Of the private key; else it is asked for")->needs(from);
    command->add_flag("--revoke-all", setup->revoke_all, "Give every issued token a new string")->needs(from);
    command->callback([&session, setup] { session.work = [&session, setup] { return recover(session, *setup); }; });
}

}  // namespace

void add_configuration(CLI::App& command, Session& session) {
    command.add_option("--config", session.settings.configuration, "The configuration")
        ->capture_default_str()
        ->each([&session](const std::string&) { session.settings.configuration_is_named = true; });
}

void add_setup_commands(CLI::App& app, Session& session) {
    auto setup = std::make_shared<Setup>();

    CLI::App* const init_command = app.add_subcommand("init", "Make the keys in the device, and the store");
    add_configuration(*init_command, session);
    add_hardware(*init_command, *setup);
    init_command->callback([&session, setup] { session.work = [&session, setup] { return init(session, *setup); }; });

    add_recover(app, session, setup);

    CLI::App* const reseal_command =
        app.add_subcommand("reseal", "Bind a TPM's keys to the PCR values and the PIN of now, or to values to come");
    add_configuration(*reseal_command, session);
    add_hardware(*reseal_command, *setup);
    reseal_command->add_option("--current-pin-file", setup->current_pin_file, "File with the PIN until now, if it changes");
    reseal_command->add_flag("--no-pin", setup->no_pin, "Let go of the PIN");
    reseal_command->add_option("--expect", setup->expected, "PCR=VALUE that an update will bring; once for each PCR");
    reseal_command->callback([&session, setup] { session.work = [&session, setup] { return reseal(session, *setup); }; });

    CLI::App* const units_command = app.add_subcommand("units", "List which unit is handed which token");
    add_configuration(*units_command, session);
    units_command->callback([&session] { session.work = [&session] { return units(session); }; });
}

}  // namespace hwvault::cli
