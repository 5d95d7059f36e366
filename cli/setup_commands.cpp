// SPDX-License-Identifier: LGPL-2.1-or-later
//
// init, recover: what an administrator does with the whole vault.
#include <memory>
#include <optional>

#include <unistd.h>

#include <CLI/CLI.hpp>
#include <boost/json/object.hpp>

#include "cli/commands.h"
#include "cli/output.h"
#include "cli/service_manager.h"
#include "cli/setup.h"

namespace hwvault::cli {
namespace {

namespace json = boost::json;

// hwvaultd and its sockets out of the way, where they are systemd's.
Answer<std::optional<Standstill>> vault_alone(const Session& session, const Setup& setup) {
    HWVAULT_TRY(const bool under_systemd, is_for_systemd(session, setup));
    if (!under_systemd) return std::optional<Standstill>();
    HWVAULT_TRY(Standstill standstill, hwvaultd_stands_still());
    return std::optional<Standstill>(std::move(standstill));
}

Answer<std::string> next_after_init() {
    HWVAULT_TRY(const UnitState socket, unit_state(kDaemonSocket));
    if (socket.file == "enabled" && socket.is_up()) return std::string("The vault is set up. Next: `hwvault get`.\n");
    return std::string("The vault is set up. Next: `systemctl enable --now ") + kDaemonSocket + "`, then `hwvault get`.\n";
}

Answer<Exit> init_with_units(Session& session) {
    HWVAULT_TRY(Standstill standstill, hwvaultd_stands_still());
    std::optional<Progress> progress(std::in_place, "Making keys and store ...");
    HWVAULT_TRY(const std::vector<std::string> reports, run_units({kChildInit, kInit}));
    progress.reset();
    HWVAULT_CHECK(standstill.end());
    HWVAULT_TRY(const std::string next, next_after_init());
    HWVAULT_CHECK(session.print(reports[0] + reports[1] + next,
                                json::object{{"initialised", true}, {"hardware", reports[0]}, {"store", reports[1]}}));
    return kYes;
}

Answer<Exit> init(Session& session, const Setup& setup) {
    HWVAULT_CHECK(require_root("init"));
    HWVAULT_TRY(const bool under_systemd, is_for_systemd(session, setup));
    if (under_systemd && setup.pin_file.empty()) return init_with_units(session);
    const std::string& configuration = session.settings.configuration;
    HWVAULT_TRY(const std::string keys, run_program("hwvault-hardware", hardware_arguments("init", session, setup),
                                                    "Making the keys inside the device ..."));
    HWVAULT_TRY(const std::string store, run_program("hwvaultd", {"--config", configuration, "init"},
                                                     "Making the store ..."));
    HWVAULT_CHECK(session.print(keys + store + "The vault is set up. Next: start hwvaultd, as hwvaultd(8) shows, then `hwvault get`.\n",
                                json::object{{"initialised", true}, {"hardware", keys}, {"store", store}}));
    return kYes;
}

constexpr const char* kStore = "/var/lib/hwvault/store.db";  // where the units have it

struct Recovered {
    std::string report;
    std::string next;  // "" where hwvaultd serves again
};

// With the vault alone; keys that a new device lacks are made first where it is to take the place of a lost one.
Answer<Recovered> run_recover(const Session& session, const Setup& setup, std::vector<std::string> options, const std::string& meanwhile) {
    std::vector<std::string> arguments{"--config", session.settings.configuration, "recover"};
    arguments.insert(arguments.end(), options.begin(), options.end());
    HWVAULT_TRY(std::optional<Standstill> standstill, vault_alone(session, setup));
    Recovered recovered{"", "Next: start hwvaultd, as hwvaultd(8) shows.\n"};
    if (standstill) recovered.next = standstill->has_stopped() ? "" : "Next: `systemctl enable --now hwvaultd.socket`.\n";
    if (standstill && !setup.from.empty()) {
        HWVAULT_TRY(const std::vector<std::string> keys, run_units({kChildInit}));
        recovered.report = keys.front();
    }
    if (standstill) HWVAULT_CHECK(systemctl("start", {kChildSocket}));  // a connection to it starts the hardware child
    HWVAULT_TRY(const std::string output, run_program("hwvaultd", std::move(arguments), meanwhile));
    recovered.report += output;
    if (standstill) HWVAULT_CHECK(standstill->end());
    return recovered;
}

// The private key's passphrase is asked for by hwvaultd, so nothing moves on the terminal meanwhile.
Answer<Exit> recover_lost(Session& session, const Setup& setup) {
    if (setup.recovery_key.empty() || setup.signing_key.empty()) {
        return Failure{HWVAULT_ERROR_INVALID_ARGUMENT,
                       "Recovering takes three files: --from STORE, the store of the lost device; --recovery-key KEY, the "
                       "private key that was kept elsewhere; --signing-key PUB, the public key that `hwvault init` printed."};
    }
    for (const std::string& file : {setup.from, setup.recovery_key, setup.signing_key}) {
        if (::access(file.c_str(), R_OK) != 0) return Failure{HWVAULT_ERROR_NOT_FOUND, "There is no file " + file + " that can be read."};
    }
    HWVAULT_TRY(const bool under_systemd, is_for_systemd(session, setup));
    if (under_systemd && ::access(kStore, F_OK) == 0) {
        return Failure{HWVAULT_ERROR_ALREADY_EXISTS, std::string("There is a store at ") + kStore + ", and it is left as it is. Stop "
                           "hwvaultd with its sockets (`systemctl stop hwvaultd.socket hwvaultd-credential.socket hwvaultd.service`), "
                           "move the store, and the -wal beside it, to another folder, and name it there by --from if it is the "
                           "lost device's."};
    }
    std::vector<std::string> options{"--from", setup.from, "--recovery-key", setup.recovery_key, "--signing-key",
                                     setup.signing_key};
    if (!setup.passphrase_file.empty()) options.insert(options.end(), {"--passphrase-file", setup.passphrase_file});
    if (setup.revoke_all) options.emplace_back("--revoke-all");
    HWVAULT_TRY(const Recovered done, run_recover(session, setup, std::move(options), ""));
    HWVAULT_CHECK(session.print(done.report + done.next, json::object{{"recovered", true}, {"report", done.report}}));
    return kYes;
}

Answer<Exit> recover(Session& session, const Setup& setup) {
    HWVAULT_CHECK(require_root("recover"));
    if (!setup.from.empty()) return recover_lost(session, setup);
    if (setup.show_signing_key) {
        HWVAULT_TRY(const Recovered key, run_recover(session, setup, {"--show-signing-key"}, "Asking the device ..."));
        HWVAULT_CHECK(session.print(key.report, json::object{{"signing_key", key.report}}));
        return kYes;
    }
    if (setup.new_recipient) {
        HWVAULT_TRY(const Recovered done, run_recover(session, setup, {"--new-recipient"}, "Encrypting every string ..."));
        HWVAULT_CHECK(session.print(done.report + done.next, json::object{{"changed", true}, {"report", done.report}}));
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
    HWVAULT_TRY(const Recovered done, run_recover(session, setup, {"--accept-rollback"}, "Taking the store as it is ..."));
    HWVAULT_CHECK(session.print(done.report + done.next, json::object{{"accepted", true}, {"report", done.report}}));
    return kYes;
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
}

}  // namespace hwvault::cli
