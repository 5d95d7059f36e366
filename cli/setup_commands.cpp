// SPDX-License-Identifier: LGPL-2.1-or-later
//
// init, recover, reseal, units: what an administrator does with the whole vault. The work is done by the daemon's and
// the hardware child's own programs, which alone may touch store and device; here they are found and run in order.
#include <filesystem>
#include <memory>
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
    bool accept_rollback{false};
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
    const Progress progress(meanwhile);
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

Answer<Exit> recover(Session& session, const Setup& setup) {
    HWVAULT_CHECK(require_root("recover"));
    if (!setup.accept_rollback) {
        return Failure{HWVAULT_ERROR_INVALID_ARGUMENT,
                       "This takes a store that is older than the device remembers. What was made since then is lost, and every "
                       "token that the store had issued is revoked, since any of them may have been. Put the latest copy "
                       "of the store back, or accept that with `hwvault recover --accept-rollback`."};
    }
    HWVAULT_TRY(const std::string output,
                run_program("hwvaultd", {"--config", session.settings.configuration, "recover", "--accept-rollback"},
                            "Taking the store as it is ..."));
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
    for (const std::string& value : setup.expected) arguments.insert(arguments.end(), {"--expect", value});
    HWVAULT_TRY(const std::string output,
                run_program("hwvault-hardware", std::move(arguments), "Binding the TPM's keys anew ..."));
    HWVAULT_CHECK(session.print(output + "The keys are bound anew; they are the same keys, and every token stays as it is.\n",
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

void add_configuration(CLI::App& command, Session& session) {
    command.add_option("--config", session.settings.configuration, "Configuration file")->capture_default_str();
}

void add_hardware(CLI::App& command, Setup& setup) {
    command.add_option("--pin-file", setup.pin_file, "File of mode 0600 with the device's PIN");
    command.add_option("--hardware-state", setup.hardware_state, "Folder of hwvault-hardware")->capture_default_str();
}

}  // namespace

void add_setup_commands(CLI::App& app, Session& session) {
    auto setup = std::make_shared<Setup>();

    CLI::App* const init_command = app.add_subcommand("init", "Make the keys in the device, and the store");
    add_configuration(*init_command, session);
    add_hardware(*init_command, *setup);
    init_command->callback([&session, setup] { session.work = [&session, setup] { return init(session, *setup); }; });

    CLI::App* const recover_command = app.add_subcommand("recover", "Take a store that is older than the device remembers");
    add_configuration(*recover_command, session);
    recover_command->add_flag("--accept-rollback", setup->accept_rollback, "Yes, and revoke every token that it had issued");
    recover_command->callback([&session, setup] {
        session.work = [&session, setup] { return recover(session, *setup); };
    });

    CLI::App* const reseal_command =
        app.add_subcommand("reseal", "Bind a TPM's keys to the PCR values and the PIN of now, or to values to come");
    add_configuration(*reseal_command, session);
    add_hardware(*reseal_command, *setup);
    reseal_command->add_option("--current-pin-file", setup->current_pin_file, "File with the PIN until now, if it changes");
    reseal_command->add_option("--expect", setup->expected, "PCR=VALUE that an update will bring; once for each PCR");
    reseal_command->callback([&session, setup] { session.work = [&session, setup] { return reseal(session, *setup); }; });

    CLI::App* const units_command = app.add_subcommand("units", "List which unit is handed which token");
    add_configuration(*units_command, session);
    units_command->callback([&session] { session.work = [&session] { return units(session); }; });
}

}  // namespace hwvault::cli
