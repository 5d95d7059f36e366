// SPDX-License-Identifier: LGPL-2.1-or-later
//
// hwvaultd, put together: this and main_parts.h alone name the concrete parts. One thread runs the strand on which the vault lives;
// the store, the name service, the bus, and what is not to wait in the background have threads of their own.
// What the command line may ask for is in main_command.h.
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/signal_set.hpp>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/sinks/systemd_sink.h>
#include <spdlog/spdlog.h>

#include "daemon/audit/files.h"
#include "daemon/audit/journal.h"
#include "daemon/development.h"
#include "daemon/doors/credential/door.h"
#include "daemon/doors/dbus/door.h"
#include "daemon/doors/varlink/door.h"
#include "daemon/main_administration.h"
#include "daemon/main_command.h"
#include "daemon/main_manager.h"
#include "daemon/main_parts.h"
#include "daemon/peer/peer.h"
#include "daemon/service/signal.h"
#include "daemon/service/vault_service.h"
#include "daemon/settings.h"
#include "os/apart.h"
#include "os/asio.h"
#include "os/identity.h"
#include "os/run.h"
#include "policy/files/files.h"

namespace hwvault {
namespace {

namespace asio = boost::asio;
using asio::awaitable;

const std::filesystem::path kNoticeSocket{"/run/hwvault-notice/socket"};  // hwvault-notice.socket's

// Its own memory is worth stealing: no core file, no debugger of the same user. And a reader of its log that goes away
// must not end it.
void harden() {
    ::signal(SIGPIPE, SIG_IGN);
    ::prctl(PR_SET_DUMPABLE, 0);
    const rlimit none{0, 0};
    ::setrlimit(RLIMIT_CORE, &none);
    ::umask(0022);
}

// A connection is a descriptor; the soft limit of 1,024 is for programs that use select(2).
void allow_many_connections() {
    rlimit files{};
    if (::getrlimit(RLIMIT_NOFILE, &files) != 0) return;
    files.rlim_cur = files.rlim_max;
    ::setrlimit(RLIMIT_NOFILE, &files);
}

// To the journal, with each message's priority, where standard error goes there (systemd.exec(5)).
void set_up_log() {
    if (std::getenv("JOURNAL_STREAM") != nullptr) {
        spdlog::set_default_logger(spdlog::systemd_logger_mt("hwvaultd"));
        return;
    }
    spdlog::set_default_logger(spdlog::stderr_logger_mt("hwvaultd"));
    spdlog::set_pattern("hwvaultd: %l: %v");
}

int failed(const Error& why) {
    spdlog::error("{}: {}", word(why.code), why.message);
    return EXIT_FAILURE;
}

// What a reload reads: all of it, or nothing.
struct Live {
    Settings settings;
    std::shared_ptr<const policy::Policy> rules;
};

Result<Settings> read_settings_of(const Command& command) {
    return command.development.empty() ? read_settings(command.configuration) : development_settings(command.development);
}

// "serving: The vault is serving. Hardware: pkcs11 SoftHSM v2, available."
std::string summary(const service::Status& status) {
    std::string hardware = status.hardware_kind;
    for (const std::string& part : {status.hardware_model, status.hardware_state}) {
        if (!part.empty()) hardware += (hardware.empty() ? "" : ", ") + part;
    }
    return status.state + ": " + status.message + " Hardware: " + hardware + ".";
}

class Daemon {
public:
    Daemon(Parts& parts, const Command& command)
        : parts_(parts),
          command_(command),
          manager_(parts.io.get_executor()),
          resolver_(peer::Resolver::create(parts.io.get_executor())) {}

    awaitable<Result<void>> serve();

private:
    service::VaultService::Parts service_parts(std::shared_ptr<const policy::Policy> rules);
    doors::credential::Door::Options credential_options();
    Result<void> open_doors();
    awaitable<void> until_told_to_end(asio::signal_set& hang_ups);
    awaitable<void> close();
    void end_without_bus();
    void announce(const service::Status& status);
    // Until `signals` is cancelled: reads configuration and rules anew at each SIGHUP.
    awaitable<void> reload_on(asio::signal_set& signals);
    void reload(Result<Live> read);
    service::Awaitable<Live> read_live();

    Parts& parts_;
    const Command& command_;
    ServiceManager manager_;
    std::unique_ptr<peer::Resolver> resolver_;
    std::optional<service::VaultService> service_;
    std::unique_ptr<doors::varlink::Door> varlink_;
    std::unique_ptr<doors::credential::Door> credential_;
    std::unique_ptr<doors::dbus::Door> dbus_;
    service::Signal known_{parts_.io.get_executor()};  // how the vault is: until then callers wait in the sockets
    service::Signal ending_{parts_.io.get_executor()};
    Result<void> outcome_;  // of serving
};

void Daemon::announce(const service::Status& status) {
    if (status.state == "starting") return;
    const std::string line = summary(status);
    spdlog::info("{}", line);
    ServiceManager::status(line);
    known_.raise();
}

service::VaultService::Parts Daemon::service_parts(std::shared_ptr<const policy::Policy> rules) {
    const Settings& settings = parts_.settings;
    return {
        .strand = parts_.io.get_executor(),
        .store_thread = parts_.store_thread,
        .hardware = *parts_.hardware,
        .resolver = *resolver_,
        .store_file = settings.store_file(),
        .quotas = settings.quotas,
        .anti_rollback = settings.anti_rollback,
        .batch_interval = service::kBatchInterval,
        .policy = std::move(rules),
        .recipient_file = settings.recipient,
        .administered_by = settings.administered_by,
        .audit_files = audit::make_files(settings.audit),
        .journal = audit::send_to_journal,
        .clock = clock_now,
        .trouble = [](const std::string& what) { spdlog::error("{}", what); },
        .state_changed = [this](const service::Status& status) { announce(status); },
    };
}

doors::credential::Door::Options Daemon::credential_options() {
    const std::filesystem::path beside = parts_.settings.socket.parent_path();
    doors::credential::Door::Options options;
    options.path = beside / "credential.sock";
    options.inherited_fd = manager_.take_socket("credential");
    for (auto& [name, fd] : manager_.take(doors::credential::is_in_flight_name)) options.left.push_back({name, std::move(fd)});
    options.mapping = parts_.settings.credentials;
    options.notice_socket = command_.development.empty() ? kNoticeSocket : beside / "notice.sock";
    return options;
}

Result<void> Daemon::open_doors() {
    doors::varlink::Door::Options socket;
    socket.path = parts_.settings.socket;
    socket.inherited_fd = manager_.take_socket("varlink");
    HWVAULT_TRY(varlink_, doors::varlink::Door::create(*service_, *resolver_, std::move(socket)));
    HWVAULT_TRY(credential_, doors::credential::Door::create(*service_, *resolver_, credential_options()));
    if (parts_.settings.dbus) {
        doors::dbus::Door::Options bus;
        bus.lost = [this] { asio::post(parts_.io, [this] { end_without_bus(); }); };
        HWVAULT_TRY(dbus_, doors::dbus::Door::create(*service_, *resolver_, std::move(bus)));
    }
    return {};
}

// Half a service would look healthy; a service manager starts a whole one again.
void Daemon::end_without_bus() {
    outcome_ = Error{ErrorCode::kInternal,
                     "The message bus is gone, and hwvaultd ends with it. Start it again when the bus is back, as its "
                     "service manager does."};
    ending_.raise();
}

service::Awaitable<Live> Daemon::read_live() {
    const auto reading = [this]() -> Result<Live> {
        HWVAULT_TRY(Settings settings, read_settings_of(command_));
        HWVAULT_TRY(policy::Policy rules, policy::read_policy(settings.policy));
        return Live{std::move(settings), std::make_shared<const policy::Policy>(std::move(rules))};
    };
    co_return co_await service::run_on(parts_.store_thread, reading);
}

awaitable<void> Daemon::reload_on(asio::signal_set& signals) {
    while (!ending_.raised()) {
        const auto [failure, number] = co_await signals.async_wait(os::kAsTuple);
        if (failure) co_return;
        ServiceManager::reloading();
        reload(co_await read_live());
        ServiceManager::ready();
    }
}

// All of what was read, or nothing of it.
void Daemon::reload(Result<Live> read) {
    if (!read) {
        spdlog::error("Configuration and rules stay as they were. {}", read.error().message);
        service_->set_policy(read.error());
        return;
    }
    spdlog::info("Configuration and rules were read again: {} rules.", read->rules->rules().size());
    for (const std::string& key : needing_restart(parts_.settings, read->settings)) {
        spdlog::warn("{} is another now, which the next start will heed: `systemctl restart hwvaultd`.", key);
    }
    service_->set_quotas(read->settings.quotas);
    service_->set_policy(std::move(read->rules));
    credential_->set_mapping(std::move(read->settings.credentials));
}

awaitable<Result<void>> Daemon::serve() {
    const bool is_first = !command_.development.empty() && !std::filesystem::exists(parts_.settings.store_file());
    if (is_first) HWVAULT_CO_CHECK(co_await Administration(parts_, command_.who).make_store());
    asio::signal_set hang_ups(parts_.io, SIGHUP);  // from here on, so that none is missed and none ends the program
    asio::signal_set ends(parts_.io, SIGTERM, SIGINT);
    ends.async_wait([this](boost::system::error_code, int) {
        known_.raise();
        ending_.raise();
    });
    HWVAULT_CO_TRY(Live live, co_await read_live());
    service_.emplace(service_parts(std::move(live.rules)));
    asio::co_spawn(parts_.io, manager_.feed(), asio::detached);
    service_->start();
    co_await known_.wait();
    if (!ending_.raised()) outcome_ = open_doors();
    if (outcome_) co_await until_told_to_end(hang_ups);
    ends.cancel();
    co_await close();
    co_return outcome_;
}

awaitable<void> Daemon::until_told_to_end(asio::signal_set& hang_ups) {
    ServiceManager::ready();
    std::cout << "ready" << std::endl;
    service::Signal reloads_end(parts_.io.get_executor());
    asio::co_spawn(parts_.io, reload_on(hang_ups), [&](const std::exception_ptr&) { reloads_end.raise(); });
    co_await ending_.wait();
    hang_ups.cancel();
    co_await reloads_end.wait();
}

// No new calls; those that came are answered; then what is to be durable is. The service manager knows of the stop before the
// bus has the name: a caller's start of a service that runs would be done already, and nobody would come for the call.
awaitable<void> Daemon::close() {
    ServiceManager::stopping();
    if (dbus_) dbus_->stop();
    if (varlink_) varlink_->stop();
    if (credential_) credential_->stop();
    if (dbus_) co_await dbus_->drained();
    // The connection goes, and who calls by its unique name is told at once; where a call took longer than the door waits, with
    // that one's answer.
    dbus_.reset();
    if (varlink_) co_await varlink_->drained();
    if (credential_) co_await credential_->drained();
    co_await service_->stop();
    manager_.stop_feeding();
}

// What the command line asks for, done with `parts`; the exit status.
int run(const Command& command, Parts& parts, std::optional<LostVault> lost) {
    Administration administration(parts, command.who);
    std::optional<Daemon> daemon;
    const auto work = [&]() -> Administration::Outcome {
        if (command.initialise) return administration.initialise();
        if (command.accept_rollback) return administration.accept_rollback();
        if (command.new_recipient) return administration.new_recipient();
        if (command.show_signing_key) return administration.show_signing_key();
        if (lost) return administration.recover(std::move(*lost), command.revoke_all);
        return daemon.emplace(parts, command).serve();
    };
    const auto done = parts.run(work);
    return done ? EXIT_SUCCESS : failed(done.error());
}

// Of `recover --from`: before there are threads, and before a person who is asked for a passphrase waits for a device.
Result<std::optional<LostVault>> lost_vault(const Command& command, const Settings& settings) {
    ReadableStore::remove_left(settings.state);
    if (command.recovery.from.empty()) return std::optional<LostVault>();
    HWVAULT_TRY(LostVault lost, read_lost_vault(command.recovery, settings.state));
    return std::optional<LostVault>(std::move(lost));
}

int run_development(const Command& command) {
    auto development = prepare_development(command.development, command.simulated, command.hardware_program);
    if (!development) return failed(development.error());
    auto lost = lost_vault(command, development->settings);
    if (!lost) return failed(lost.error());
    Parts parts(std::move(development->settings), {.child = std::move(development->child)});
    return run(command, parts, std::move(*lost));
}

// What root makes must be that user's who serves with it. A store is not to be trusted with the right to read all files, nor with
// the terminal: what is needed of root's files is read before, and the passphrase asked for.
Result<std::optional<LostVault>> become_server(const Command& command, const Settings& settings) {
    if (!command.serves()) HWVAULT_CHECK(os::go_on_apart());
    const auto own = os::become_owner_of(settings.state);
    const bool is_missing = !own && own.error().code == ErrorCode::kNotFound;
    if (is_missing || (own && ::geteuid() == 0)) {
        const std::string folder = settings.state.string();
        return invalid_argument("The folder " + folder + " of [vault] state is " + (is_missing ? "not there" : "root's") +
                                ". Make it: `install -d -m 0700 -o hwvault -g hwvault " + folder + "`.");
    }
    HWVAULT_CHECK(own);
    auto lost = lost_vault(command, settings);
    HWVAULT_CHECK(os::give_up_reading());
    if (!command.serves()) os::leave_terminal();
    return lost;
}

int run_installed(const Command& command) {
    auto settings = read_settings(command.configuration);
    if (!settings) return failed(settings.error());
    // Root has no business in a process that answers everybody; the store is an account's of its own.
    if (command.serves() && ::geteuid() == 0) {
        return failed(invalid_argument("hwvaultd does not serve as root. Start it as its own user: `systemctl start "
                                       "hwvaultd.socket`, or by hand as hwvaultd(8) shows."));
    }
    auto lost = become_server(command, *settings);
    if (!lost) return failed(lost.error());
    hardware::Options device{.child = hardware::Connect{settings->hardware_socket}};
    Parts parts(std::move(*settings), std::move(device));
    return run(command, parts, std::move(*lost));
}

}  // namespace
}  // namespace hwvault

int main(int argc, char** argv) {
    const auto asked = hwvault::read_command(argc, argv);
    if (const auto* const status = std::get_if<hwvault::ExitStatus>(&asked)) return *status;
    const auto& command = std::get<hwvault::Command>(asked);
    hwvault::harden();
    hwvault::allow_many_connections();
    hwvault::set_up_log();
    return command.development.empty() ? hwvault::run_installed(command) : hwvault::run_development(command);
}
