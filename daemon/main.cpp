// SPDX-License-Identifier: LGPL-2.1-or-later
//
// hwvaultd, put together: the only file that names the concrete parts. One thread runs the strand on which the
// vault lives; the store, the name service and the bus have threads of their own.
//
//     hwvaultd [--config FILE] | --dev DIR     serves until SIGTERM
//     hwvaultd init                            makes the store, once the device has its keys
//     hwvaultd recover --accept-rollback       takes a store that is older than the device remembers
//     hwvaultd recover --from STORE ...        makes the store out of that of a lost device
//     hwvaultd recover --new-recipient         encrypts the escrow to the recipient of hwvault.toml
//     hwvaultd recover --show-signing-key      prints the device's public signing key
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include <pwd.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/signal_set.hpp>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>
#include <systemd/sd-daemon.h>

#include "daemon/audit/files.h"
#include "daemon/audit/journal.h"
#include "daemon/development.h"
#include "daemon/doors/dbus/door.h"
#include "daemon/doors/varlink/door.h"
#include "daemon/hardware/client.h"
#include "daemon/main_recovery.h"
#include "daemon/peer/peer.h"
#include "daemon/service/signal.h"
#include "daemon/service/vault_service.h"
#include "daemon/settings.h"
#include "daemon/store/store.h"
#include "os/asio.h"
#include "os/file.h"
#include "os/run.h"
#include "policy/files/files.h"

namespace hwvault {
namespace {

namespace asio = boost::asio;
using asio::awaitable;

constexpr int kUsedWrongly = 2;  // exit status, beside EXIT_SUCCESS and EXIT_FAILURE
constexpr auto kDeviceAtSetup = std::chrono::seconds(20);  // that init and recover wait for the device

struct Command {
    std::filesystem::path configuration{"/etc/hwvault/hwvault.toml"};
    std::filesystem::path development;
    Simulated simulated{Simulated::kAsBefore};
    std::filesystem::path hardware_program{os::own_folder() / "hwvault-hardware"};
    bool initialise{false};
    bool accept_rollback{false};
    bool new_recipient{false};
    bool show_signing_key{false};
    RecoveryFiles recovery;  // with --from
    bool revoke_all{false};
};

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

void set_up_log() {
    auto logger = std::make_shared<spdlog::logger>("hwvaultd", std::make_shared<spdlog::sinks::stderr_sink_mt>());
    logger->set_pattern("hwvaultd: %l: %v");
    spdlog::set_default_logger(std::move(logger));
}

vault::UnixTime clock_now() {
    return static_cast<vault::UnixTime>(std::chrono::system_clock::to_time_t(std::chrono::system_clock::now()));
}

// A listening socket that systemd made, or -1.
int inherited_socket() {
    return ::sd_listen_fds(1) > 0 ? SD_LISTEN_FDS_START : -1;
}

// Whoever runs this program, about to do `what` with the vault.
vault::Event recovery_event(const std::string& what) {
    const passwd* const user = ::getpwuid(::getuid());
    vault::Event event;
    event.time = clock_now();
    event.verb = vault::Verb::kRecover;
    event.actor.uid = ::getuid();
    if (user != nullptr) event.actor.user = user->pw_name;
    event.decided_by = what;
    return event;
}

int failed(const Error& why) {
    spdlog::error("{}: {}", word(why.code), why.message);
    return EXIT_FAILURE;
}

class Daemon {
public:
    Daemon(Settings settings, hardware::Options hardware, const Command& command)
        : settings_(std::move(settings)),
          command_(command),
          hardware_(hardware::Client::create(io_.get_executor(), std::move(hardware))),
          resolver_(peer::Resolver::create(io_.get_executor())) {}

    using Work = awaitable<Result<void>> (Daemon::*)();
    // Runs `work` to its end, and waits until everything that it began has ended too; the exit status.
    int run(Work work);

    awaitable<Result<void>> serve();
    awaitable<Result<void>> initialise();
    awaitable<Result<void>> accept_rollback();
    awaitable<Result<void>> recover();
    awaitable<Result<void>> new_recipient();
    awaitable<Result<void>> show_signing_key();

private:
    // Makes the store; silent, since with --dev nothing but `ready` is printed.
    awaitable<Result<void>> make_store();
    [[nodiscard]] Result<os::Fd> lock_state() const;
    [[nodiscard]] Result<void> state_is_there() const;
    awaitable<Result<void>> device_ready();
    Result<void> open_doors();
    service::Awaitable<std::shared_ptr<const policy::Policy>> read_policy();
    // Until `signals` is cancelled: reads the policy anew at each SIGHUP.
    awaitable<void> reload_on(asio::signal_set& signals);
    void end_without_bus();
    service::OpeningParts opening_parts();
    void announce(const service::Status& status);

    Settings settings_;
    const Command& command_;
    asio::io_context io_{1};
    asio::thread_pool store_thread_{1};
    std::unique_ptr<hardware::Client> hardware_;
    std::unique_ptr<peer::Resolver> resolver_;
    std::optional<service::VaultService> service_;
    std::unique_ptr<doors::varlink::Door> varlink_;
    std::unique_ptr<doors::dbus::Door> dbus_;
    bool doors_open_{false};
    bool known_state_{false};
    bool announced_ready_{false};
    service::Signal ending_{io_.get_executor()};
    Result<void> outcome_;  // of serving
};

int Daemon::run(Work work) {
    const auto own = lock_state();
    if (!own) return failed(own.error());
    Result<void> outcome{Error{ErrorCode::kInternal, "hwvaultd ended before its work was done."}};
    const auto to_the_end = [&]() -> awaitable<void> {
        outcome = co_await (this->*work)();
        co_await hardware_->stop();
    };
    asio::co_spawn(io_, to_the_end, asio::detached);
    io_.run();
    return outcome ? EXIT_SUCCESS : failed(outcome.error());
}

// One hwvaultd at a time, in every state of the vault: the hardware child serves one alone, so that two would take it from
// each other. No lock where the folder is not there, which is said later.
Result<os::Fd> Daemon::lock_state() const {
    if (!std::filesystem::is_directory(settings_.state)) return os::Fd();
    auto lock = os::lock_folder(settings_.state);
    if (lock || lock.error().code != ErrorCode::kBusy) return lock;
    return Error{ErrorCode::kBusy, "Another hwvaultd works with the vault in " + settings_.state.string() + ". Stop it first."};
}

service::OpeningParts Daemon::opening_parts() {
    return {.store_thread = store_thread_,
            .hardware = *hardware_,
            .store_file = settings_.store_file(),
            .quotas = settings_.quotas,
            .anti_rollback = settings_.anti_rollback,
            .recipient_file = settings_.recipient};
}

// Says that it is ready once its doors are open and it knows how the vault is.
void Daemon::announce(const service::Status& status) {
    if (status.state != "starting") {
        known_state_ = true;
        spdlog::info("{}: {} Hardware: {}.", status.state, status.message, status.hardware_state);
        ::sd_notifyf(0, "STATUS=%s: %s", status.state.c_str(), status.message.c_str());
    }
    if (!doors_open_ || !known_state_ || announced_ready_) return;
    announced_ready_ = true;
    ::sd_notify(0, "READY=1");
    std::cout << "ready" << std::endl;
}

Result<void> Daemon::open_doors() {
    doors::varlink::Door::Options socket;
    socket.path = settings_.socket;
    socket.inherited_fd = inherited_socket();
    HWVAULT_TRY(varlink_, doors::varlink::Door::create(*service_, *resolver_, std::move(socket)));
    if (settings_.dbus) {
        doors::dbus::Door::Options bus;
        bus.lost = [this] { asio::post(io_, [this] { end_without_bus(); }); };
        HWVAULT_TRY(dbus_, doors::dbus::Door::create(*service_, *resolver_, std::move(bus)));
    }
    doors_open_ = true;
    return {};
}

// Half a service would look healthy; a service manager starts a whole one again.
void Daemon::end_without_bus() {
    outcome_ = Error{ErrorCode::kInternal,
                     "The message bus is gone, and hwvaultd ends with it. Start it again when the bus is back, as its "
                     "service manager does."};
    ending_.raise();
}

service::Awaitable<std::shared_ptr<const policy::Policy>> Daemon::read_policy() {
    using Read = Result<std::shared_ptr<const policy::Policy>>;
    const auto reading = [this]() -> Read {
        HWVAULT_TRY(policy::Policy rules, policy::read_policy(settings_.policy));
        return std::make_shared<const policy::Policy>(std::move(rules));
    };
    co_return co_await service::run_on(store_thread_, reading);
}

awaitable<void> Daemon::reload_on(asio::signal_set& signals) {
    for (;;) {
        const auto [failure, number] = co_await signals.async_wait(os::kAsTuple);
        if (failure) co_return;
        auto rules = co_await read_policy();
        if (rules) spdlog::info("The policy was read again: {} rules.", (*rules)->rules().size());
        else spdlog::error("The policy stays as it was. {}", rules.error().message);
        service_->set_policy(std::move(rules));
    }
}

awaitable<Result<void>> Daemon::serve() {
    const bool is_first = !command_.development.empty() && !std::filesystem::exists(settings_.store_file());
    if (is_first) HWVAULT_CO_CHECK(co_await make_store());
    asio::signal_set hang_ups(io_, SIGHUP);  // from here on, so that none is missed and none ends the program
    HWVAULT_CO_TRY(auto rules, co_await read_policy());
    service_.emplace(service::VaultService::Parts{
        .strand = io_.get_executor(),
        .store_thread = store_thread_,
        .hardware = *hardware_,
        .resolver = *resolver_,
        .store_file = settings_.store_file(),
        .quotas = settings_.quotas,
        .anti_rollback = settings_.anti_rollback,
        .batch_interval = service::kBatchInterval,
        .policy = std::move(rules),
        .recipient_file = settings_.recipient,
        .audit_files = audit::make_files(settings_.audit),
        .journal = audit::send_to_journal,
        .clock = clock_now,
        .audit_trouble = [](const std::string& what) { spdlog::error("{}", what); },
        .state_changed = [this](const service::Status& status) { announce(status); },
    });
    if (auto opened = open_doors(); !opened) {
        if (varlink_) varlink_->stop();  // else it would go on waiting for callers
        co_return opened;
    }
    service_->start();

    asio::signal_set signals(io_, SIGTERM, SIGINT);
    signals.async_wait([this](boost::system::error_code, int) { ending_.raise(); });
    service::Signal reloads_end(io_.get_executor());
    asio::co_spawn(io_, reload_on(hang_ups), [&](const std::exception_ptr&) { reloads_end.raise(); });
    co_await ending_.wait();
    signals.cancel();
    hang_ups.cancel();
    co_await reloads_end.wait();
    ::sd_notify(0, "STOPPING=1");
    dbus_.reset();
    varlink_->stop();
    co_await service_->stop();
    co_return outcome_;
}

awaitable<Result<void>> Daemon::device_ready() {
    const auto deadline = std::chrono::steady_clock::now() + kDeviceAtSetup;
    while (!hardware_->state() && std::chrono::steady_clock::now() < deadline) {
        asio::steady_timer pause(io_, std::chrono::milliseconds(20));
        co_await pause.async_wait(os::kAsTuple);
    }
    co_return hardware_->state();
}

Result<void> Daemon::state_is_there() const {
    if (std::filesystem::is_directory(settings_.state)) return {};
    return invalid_argument("The folder " + settings_.state.string() + " of [vault] state is not there. Run `install -d -m "
                            "0700 " + settings_.state.string() + "`.");
}

awaitable<Result<void>> Daemon::make_store() {
    if (std::filesystem::exists(settings_.store_file())) {
        co_return Error{ErrorCode::kAlreadyExists, "There is a store at " + settings_.store_file().string() +
                                                       " already, and it was left as it is. Move it away if another vault "
                                                       "is to be made."};
    }
    HWVAULT_CO_CHECK(state_is_there());
    HWVAULT_CO_CHECK(co_await device_ready());
    co_return co_await service::initialise_vault(opening_parts(), settings_.prefix);
}

// Where there is a store the device alone may have needed it: for a new counter, or a key.
awaitable<Result<void>> Daemon::initialise() {
    if (std::filesystem::exists(settings_.store_file())) {
        std::cout << "There is a store at " << settings_.store_file().string() << " already, and it was left as it is. If hwvaultd "
                     "says that it is rolled back, since the device has a new counter: `hwvault recover --accept-rollback`.\n";
    } else {
        HWVAULT_CO_CHECK(co_await make_store());
    }
    if (!settings_.recipient.empty()) HWVAULT_CO_CHECK(co_await show_signing_key());
    co_return Result<void>{};
}

awaitable<Result<void>> Daemon::show_signing_key() {
    HWVAULT_CO_CHECK(co_await device_ready());
    HWVAULT_CO_TRY(const std::string pem, co_await service::signing_key_pem(*hardware_));
    std::cout << keep_this(pem);
    co_return Result<void>{};
}

awaitable<Result<void>> Daemon::accept_rollback() {
    HWVAULT_CO_CHECK(co_await device_ready());
    const vault::Event event = recovery_event("recover --accept-rollback");
    HWVAULT_CO_TRY(const auto accepted, co_await service::accept_rollback(opening_parts(), event));
    std::cout << report(accepted);
    co_return Result<void>{};
}

// The keys come first: a person who is asked for a passphrase need not wait for a device.
awaitable<Result<void>> Daemon::recover() {
    HWVAULT_CO_TRY(service::RecoveryOrder order, read_order(command_.recovery));
    order.revoke_all = command_.revoke_all;
    HWVAULT_CO_CHECK(state_is_there());
    order.event = recovery_event(command_.revoke_all ? "recover --from --revoke-all" : "recover --from");
    HWVAULT_CO_CHECK(co_await device_ready());
    HWVAULT_CO_TRY(const auto recovered, co_await service::recover_vault(opening_parts(), std::move(order)));
    std::cout << report(recovered);
    if (!settings_.recipient.empty()) HWVAULT_CO_CHECK(co_await show_signing_key());
    co_return Result<void>{};
}

awaitable<Result<void>> Daemon::new_recipient() {
    HWVAULT_CO_CHECK(co_await device_ready());
    const vault::Event event = recovery_event("recover --new-recipient");
    HWVAULT_CO_TRY(const auto changed, co_await service::change_recipient(opening_parts(), event));
    std::cout << report(changed);
    if (changed.fingerprint) HWVAULT_CO_CHECK(co_await show_signing_key());
    co_return Result<void>{};
}

Result<std::pair<Settings, hardware::Options>> assemble(const Command& command) {
    if (command.development.empty()) {
        HWVAULT_TRY(Settings settings, read_settings(command.configuration));
        hardware::Options options{.child = hardware::Connect{settings.hardware_socket}};
        return std::pair{std::move(settings), std::move(options)};
    }
    HWVAULT_TRY(Development development, prepare_development(command.development, command.simulated, command.hardware_program));
    hardware::Options options{.child = std::move(development.child)};
    return std::pair{std::move(development.settings), std::move(options)};
}

int run(const Command& command) {
    auto parts = assemble(command);
    if (!parts) return failed(parts.error());
    Daemon daemon(std::move(parts->first), std::move(parts->second), command);
    if (command.initialise) return daemon.run(&Daemon::initialise);
    if (command.accept_rollback) return daemon.run(&Daemon::accept_rollback);
    if (command.new_recipient) return daemon.run(&Daemon::new_recipient);
    if (command.show_signing_key) return daemon.run(&Daemon::show_signing_key);
    if (!command.recovery.from.empty()) return daemon.run(&Daemon::recover);
    return daemon.run(&Daemon::serve);
}

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

}  // namespace
}  // namespace hwvault

int main(int argc, char** argv) {
    hwvault::Command command;
    std::string simulated;
    CLI::App app{"hwvaultd: access tokens whose keys live in hardware. See hwvaultd(8)."};
    app.set_version_flag("--version", HWVAULT_VERSION);
    app.add_option("--config", command.configuration, "Configuration file")->capture_default_str();
    CLI::Option* const development =
        app.add_option("--dev", command.development, "Development: everything below this folder, made on first use");
    app.add_option("--hardware", simulated, "With --dev: the simulated device, for a new DIR softhsm")
        ->check(CLI::IsMember({"softhsm", "swtpm"}))
        ->needs(development);
    app.add_option("--hardware-program", command.hardware_program, "With --dev: path of hwvault-hardware")
        ->capture_default_str();
    app.require_subcommand(0, 1);
    const CLI::App* const init = app.add_subcommand("init", "Make the store of a device that has its keys");
    hwvault::add_recover(app, command);
    try {
        app.parse(argc, argv);
    } catch (const CLI::ParseError& usage) {
        return app.exit(usage) == 0 ? EXIT_SUCCESS : hwvault::kUsedWrongly;
    }
    if (simulated == "softhsm") command.simulated = hwvault::Simulated::kSoftHsm;
    if (simulated == "swtpm") command.simulated = hwvault::Simulated::kSwtpm;
    command.initialise = init->parsed();
    hwvault::harden();
    hwvault::allow_many_connections();
    hwvault::set_up_log();
    return hwvault::run(command);
}
