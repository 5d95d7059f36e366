// SPDX-License-Identifier: LGPL-2.1-or-later
//
// reseal: binds a TPM's keys anew.
#include <filesystem>
#include <memory>
#include <system_error>
#include <utility>

#include <CLI/CLI.hpp>
#include <boost/json/object.hpp>

#include "cli/commands.h"
#include "cli/configuration.h"
#include "cli/output.h"
#include "cli/service_manager.h"
#include "cli/setup.h"
#include "os/run.h"

namespace hwvault::cli {
namespace {

namespace json = boost::json;

std::vector<std::string> reseal_options(const Setup& setup) {
    std::vector<std::string> options;
    if (setup.no_pin) options.emplace_back("--no-pin");
    for (const std::string& value : setup.expected) options.insert(options.end(), {"--expect", value});
    return options;
}

// Of a PIN's file that an administrator names: as a credential, since it is root's and hwvault-hardware's user cannot read it.
Answer<std::string> as_credential(const std::string& name, const std::string& file) {
    std::error_code failure;
    const std::filesystem::path whole = std::filesystem::absolute(file, failure);
    if (!failure && std::filesystem::is_regular_file(whole, failure)) return "LoadCredential=" + name + ":" + whole.string();
    return Failure{HWVAULT_ERROR_INVALID_ARGUMENT, "There is no PIN in " + file + "."};
}

// A transient unit, not a file of ours: the command line reaches hwvault-hardware as it is, without a shell or a file between;
// its name lets the sandbox of hwvault-*.service count for it; what it prints and how it ends come back here.
Answer<std::vector<std::string>> reseal_unit(const Setup& setup, const Configuration& configuration) {
    HWVAULT_TRY(const std::filesystem::path program, find_program("hwvault-hardware"));
    std::vector<std::string> arguments{"--quiet", "--pipe", "--wait", "--collect", "--unit=hwvault-hardware-reseal.service"};
    const auto set = [&arguments](std::string property) { arguments.insert(arguments.end(), {"--property", std::move(property)}); };
    for (const char* const property : {"User=hwvault-hardware", "Group=hwvault-hardware", "SupplementaryGroups=tss", "DeviceAllow=/dev/tpmrm0 rw",
                                       "StateDirectory=hwvault-hardware", "StateDirectoryMode=0700"}) {
        set(property);
    }
    std::vector<std::string> options = reseal_options(setup);
    const std::string& pin = configuration.pin_credential;
    if (!pin.empty() && setup.pin_file.empty()) set("LoadCredentialEncrypted=" + pin);
    if (!setup.pin_file.empty()) {
        if (pin.empty()) {
            return Failure{HWVAULT_ERROR_INVALID_ARGUMENT, "hwvault-hardware would not find this PIN at its next start: name a credential for it by "
                                                           "[hardware] pin_credential in hwvault.toml, as \"hwvault-pin\", first."};
        }
        HWVAULT_TRY(std::string given, as_credential(pin, setup.pin_file));
        set(std::move(given));
    }
    if (!setup.current_pin_file.empty()) {
        constexpr const char* kCurrent = "hwvault-current-pin";
        HWVAULT_TRY(std::string given, as_credential(kCurrent, setup.current_pin_file));
        set(std::move(given));
        options.insert(options.end(), {"--current-pin-credential", kCurrent});
    }
    arguments.insert(arguments.end(), {"--", program, "reseal", "--config", "/etc/hwvault/hwvault.toml", "--state", kChildState});
    arguments.insert(arguments.end(), options.begin(), options.end());
    return arguments;
}

// A TPM without a resource manager has one user at a time.
bool is_shared(const Configuration& configuration) {
    return configuration.tcti == "device:/dev/tpmrm0" || configuration.tcti.starts_with("tabrmd");
}

Answer<std::string> reseal_in_unit(const Setup& setup, const Configuration& configuration) {
    HWVAULT_TRY(std::vector<std::string> arguments, reseal_unit(setup, configuration));
    HWVAULT_TRY(Standstill standstill, Standstill::of(is_shared(configuration) ? std::vector<std::string>{}
                                                                              : std::vector<std::string>{kChildSocket, kChildService}));
    const Progress progress("Binding the TPM's keys anew ...");
    if (!setup.pin_file.empty()) {
        warn("From its next start hwvault-hardware takes the PIN from /etc/credstore.encrypted/" + configuration.pin_credential + ": put the new one there.");
    }
    HWVAULT_TRY(std::string output, os::run({"systemd-run", std::move(arguments), {}}));
    HWVAULT_CHECK(standstill.end());
    return printable_lines(output);  // a device's own words may be in it
}

Answer<std::string> reseal_by_hand(const Session& session, const Setup& setup) {
    std::vector<std::string> arguments = hardware_arguments("reseal", session, setup);
    if (!setup.current_pin_file.empty()) arguments.insert(arguments.end(), {"--current-pin-file", setup.current_pin_file});
    const std::vector<std::string> options = reseal_options(setup);
    arguments.insert(arguments.end(), options.begin(), options.end());
    return run_program("hwvault-hardware", std::move(arguments), "Binding the TPM's keys anew ...");
}

Answer<Exit> reseal(Session& session, const Setup& setup) {
    HWVAULT_TRY(const Configuration configuration, read_configuration(session.settings.configuration));
    if (configuration.hardware_kind != "tpm") {
        HWVAULT_CHECK(session.print("Nothing to do: a PKCS#11 token has no PCR policy that an update could break.\n",
                                    json::object{{"resealed", false}, {"kind", configuration.hardware_kind}}));
        return kYes;
    }
    HWVAULT_CHECK(require_root("reseal"));
    HWVAULT_TRY(const bool under_systemd, is_for_systemd(session, setup));
    HWVAULT_TRY(const std::string output, under_systemd ? reseal_in_unit(setup, configuration) : reseal_by_hand(session, setup));
    HWVAULT_CHECK(session.print(output + "The keys are bound anew; they are the same keys, and every token stays as it is. From its next "
                                           "start hwvault-hardware needs what they are bound to now, and `status` shows it.\n",
                                json::object{{"resealed", true}, {"kind", "tpm"}, {"hardware", output}}));
    return kYes;
}

}  // namespace

void add_reseal_command(CLI::App& app, Session& session) {
    auto setup = std::make_shared<Setup>();
    CLI::App* const reseal_command =
        app.add_subcommand("reseal", "Bind a TPM's keys to the PCR values and the PIN of now, or to values to come");
    add_configuration(*reseal_command, session);
    add_hardware(*reseal_command, *setup);
    reseal_command->add_option("--current-pin-file", setup->current_pin_file, "File with the PIN until now, if it changes");
    reseal_command->add_flag("--no-pin", setup->no_pin, "Let go of the PIN");
    reseal_command->add_option("--expect", setup->expected, "PCR=VALUE that an update will bring; once for each PCR");
    reseal_command->callback([&session, setup] { session.work = [&session, setup] { return reseal(session, *setup); }; });
}

}  // namespace hwvault::cli
