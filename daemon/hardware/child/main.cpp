// SPDX-License-Identifier: LGPL-2.1-or-later
//
// hwvault-hardware: the only process that opens the PKCS#11 module or the TPM, and the only one that has the PIN. It
// serves hwvaultd over one private socket (`serve`), makes the keys when an administrator asks for it (`init`), binds a
// TPM's keys anew (`reseal`), and makes a token for development (`create-token`).
//
// Exit status: 0 done, 1 failed, 2 used wrongly, 3 the hardware is not available. One line on standard error says
// why.
#include <charconv>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <optional>
#include <string>
#include <utility>

#include <pwd.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/sinks/systemd_sink.h>
#include <spdlog/spdlog.h>

#include "daemon/hardware/child/commands.h"
#include "os/apart.h"
#include "os/identity.h"

namespace {

using namespace hwvault;
using namespace hwvault::hardware;
using namespace hwvault::hardware::child;

constexpr int kDone = 0;
constexpr int kFailed = 1;
constexpr int kUsedWrongly = 2;
constexpr int kUnavailable = 3;

// What the command line says, for all commands.
struct Arguments {
    Access access;
    Door door;
    NewToken token;
    Reseal reseal;
    std::string accept;
    bool development{false};
};

// No debugger of another process, no core file, no new privileges: the PIN is in this address space. And a device that
// hangs up is an error to be told, not the end: the ways of tpm2-tss to a TPM that are sockets write without MSG_NOSIGNAL.
void harden() {
    ::signal(SIGPIPE, SIG_IGN);
    ::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
    ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    const rlimit none{0, 0};
    ::setrlimit(RLIMIT_CORE, &none);
    // tpm2-tss would write what it sends and receives to standard error if it was asked to.
    ::setenv("TSS2_LOG", "all+NONE", 1);
}

// To the journal, with each message's priority, where standard error goes there (systemd.exec(5)).
void set_up_log() {
    if (std::getenv("JOURNAL_STREAM") != nullptr) {
        spdlog::set_default_logger(spdlog::systemd_logger_mt("hwvault-hardware"));
        return;
    }
    spdlog::set_default_logger(spdlog::stderr_logger_mt("hwvault-hardware"));
    spdlog::set_pattern("%n: %l: %v");
}

int fail(const Error& error) {
    spdlog::error("{}", error.message);
    switch (error.code) {
        case ErrorCode::kInvalidArgument: return kUsedWrongly;
        case ErrorCode::kHardwareUnavailable:
        case ErrorCode::kHardwareLocked:
        case ErrorCode::kNotInitialised: return kUnavailable;
        default: return kFailed;
    }
}

// "1000" or "hwvault".
Result<uid_t> find_uid(const std::string& user) {
    uid_t uid = 0;
    const auto [end, failure] = std::from_chars(user.data(), user.data() + user.size(), uid);
    if (failure == std::errc() && end == user.data() + user.size()) return uid;
    if (const passwd* const entry = ::getpwnam(user.c_str())) return entry->pw_uid;
    return Error{ErrorCode::kInvalidArgument, "--accept-uid " + user + ": there is no such user."};
}

// A vendor's module may do what it likes: it gets no right of root's, and not the terminal. What root makes here must be that
// user's who serves with it. Of root's files the PINs are read before.
Result<void> become_server(Access& access, Reseal& reseal) {
    HWVAULT_CHECK(os::go_on_apart());
    const bool by_root = ::geteuid() == 0;
    const auto own = os::become_owner_of(access.state);
    const bool is_missing = !own && own.error().code == ErrorCode::kNotFound;
    if (by_root && (is_missing || (own && ::geteuid() == 0))) {
        const std::string folder = access.state.string();
        return invalid_argument("The state folder " + folder + (is_missing ? " is not there" : " is root's") +
                                ", and no device is opened as root. Make it that of the user who serves: `install -d -m 0700 -o "
                                "hwvault-hardware -g hwvault-hardware " + folder + "`.");
    }
    if (!is_missing) HWVAULT_CHECK(own);
    HWVAULT_CHECK(read_pin_files(access, reseal));
    HWVAULT_CHECK(os::give_up_reading());
    os::leave_terminal();
    return {};
}

// A vendor's module as root would be root's to anybody who gets into it.
int refuse_root() {
    return fail(invalid_argument("hwvault-hardware does not serve as root. Start it as its own user: `systemctl start "
                                 "hwvault-hardware.socket`, or by hand as hwvaultd(8) shows."));
}

int run_serve(Arguments arguments) {
    if (!arguments.accept.empty()) {
        const auto uid = find_uid(arguments.accept);
        if (!uid) return fail(uid.error());
        arguments.door.accept_uid = *uid;
    }
    const auto served =
        serve(arguments.access, arguments.door, [](std::string_view sentence) { spdlog::warn("{}", sentence); });
    return served ? kDone : fail(served.error());
}

int print(const Result<Description>& description) {
    if (!description) return fail(description.error());
    std::cout << "Token \"" << description->label << "\" (serial " << description->serial << "), "
              << description->vendor << ", " << description->model << "\n";
    for (const KeyDescription& key : description->keys) {
        std::cout << "  " << key.purpose << " key " << key.label << ": " << key.kind
                  << (key.sensitive ? ", sensitive" : "") << (key.never_extractable ? ", never extractable" : "")
                  << (key.local ? ", made inside the device" : "") << "\n";
    }
    std::cout << "  bound to: " << description->policy << "\n";
    std::cout << "  rollback protection: " << word(description->rollback_protection) << "\n";
    return kDone;
}

int run_create_token(const Arguments& arguments) {
    const auto serial = create_token(arguments.token);
    if (!serial) return fail(serial.error());
    std::cout << *serial << "\n";
    return kDone;
}

void add_access(CLI::App& command, Access& access) {
    command.add_option("--config", access.config, "hwvault.toml; its table [hardware] is read")->required();
    command.add_option("--pin-file", access.pin_file,
                       "file of mode 0600 that holds the PIN (default: the credential [hardware] pin_credential)");
    command.add_option("--state", access.state, "folder for what must outlive a restart; mode 0700")->required();
}

void add_development(CLI::App& command, bool& development) {
    command.add_flag("--dev", development, "for development: as whoever types it, also as root");
}

int run(int argc, char** argv) {
    Arguments arguments;
    CLI::App app("The hardware child of hwvault: the one process that opens the device.", "hwvault-hardware");
    app.set_version_flag("--version", HWVAULT_VERSION);
    app.require_subcommand(1);

    CLI::App& serve_command = *app.add_subcommand("serve", "serve hwvaultd until it is gone");
    add_access(serve_command, arguments.access);
    auto* const fd = serve_command.add_option("--fd", arguments.door.fd, "inherited connection to serve");
    serve_command.add_option("--listen", arguments.door.listen, "socket to make (default: the one systemd hands over)")
        ->excludes(fd);
    serve_command.add_option("--accept-uid", arguments.accept, "user, by number or name, that may connect");

    CLI::App& init_command = *app.add_subcommand("init", "make the keys that are missing in the device");
    add_access(init_command, arguments.access);
    add_development(init_command, arguments.development);

    CLI::App& reseal_command = *app.add_subcommand("reseal", "bind a TPM's keys to what the configuration says now");
    add_access(reseal_command, arguments.access);
    add_development(reseal_command, arguments.development);
    reseal_command.add_option("--current-pin-file", arguments.reseal.current_pin_file,
                              "file of the PIN until now, if it is to be another");
    reseal_command.add_option("--current-pin-credential", arguments.reseal.current_pin_credential,
                              "systemd credential that holds it")
        ->excludes("--current-pin-file");
    reseal_command.add_flag("--no-pin", arguments.reseal.no_pin, "let go of the PIN");
    reseal_command.add_option("--expect", arguments.reseal.expected,
                              "PCR=VALUE that an update will bring; opens the keys too");

    CLI::App& token_command = *app.add_subcommand("create-token", "for development: initialise a SoftHSM token");
    token_command.add_option("--module", arguments.token.module, "PKCS#11 module")->required();
    token_command.add_option("--label", arguments.token.label, "the token's label")->capture_default_str();
    token_command.add_option("--pin-file", arguments.token.pin_file, "made with a random PIN where there is none")
        ->required();
    token_command.add_option("--so-pin-file", arguments.token.so_pin_file, "the security officer's, likewise")
        ->required();

    try {
        app.parse(argc, argv);
    } catch (const CLI::ParseError& usage) {
        return app.exit(usage) == 0 ? kDone : kUsedWrongly;
    }
    if (token_command.parsed()) return run_create_token(arguments);
    if (serve_command.parsed()) {
        const bool by_itself = arguments.door.fd < 0;
        return by_itself && ::geteuid() == 0 ? refuse_root() : run_serve(std::move(arguments));
    }
    if (!arguments.development) {
        if (const auto own = become_server(arguments.access, arguments.reseal); !own) return fail(own.error());
    }
    if (init_command.parsed()) return print(init(arguments.access));
    return print(reseal(arguments.access, arguments.reseal));
}

}  // namespace

int main(int argc, char** argv) {
    harden();
    set_up_log();
    try {
        return run(argc, argv);
    } catch (const std::exception& failure) {  // memory ran out, or the command line's parser failed
        std::fprintf(stderr, "hwvault-hardware: %s\n", failure.what());
        return kFailed;
    }
}
