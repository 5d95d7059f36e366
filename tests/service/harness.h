// SPDX-License-Identifier: LGPL-2.1-or-later
//
// A whole service for tests: the real core, policy and store on a file of its own; the device is the fake one, the
// name service a table, and the clock stands where the test puts it.
#pragma once

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <future>
#include <map>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/thread_pool.hpp>

#include "daemon/audit/files.h"
#include "daemon/service/signal.h"
#include "daemon/service/vault_service.h"
#include "policy/files/files.h"
#include "tests/catch.h"
#include "tests/hardware/fake_device.h"

namespace hwvault::service {

// The fake device behind the asynchronous interface; answers at once, or at the deadline while it is told to hang.
class FakeHardware final : public hardware::Hardware {
public:
    FakeHardware(boost::asio::any_io_executor strand, std::shared_ptr<hardware::FakeToken> token)
        : strand_(std::move(strand)), device_(std::move(token)) {}

    bool hang{false};
    bool is_another{false};    // derives what another device would
    bool lose_advance{false};  // the next step is made, and its answer lost
    std::optional<Error> refuse_advance;  // what each step comes to, while it is set
    bool refuse_checkpoint{false};        // nothing is signed while it is set
    std::uint64_t last_sequence{0};       // of a checkpoint; as the child's ledger, but forgotten at the next start
    std::function<void()> before_derive;  // runs while the caller waits for a derivation
    std::chrono::milliseconds slow{0};    // what a derivation takes; any number go on at once
    std::size_t deriving{0};              // at this moment
    std::size_t most_deriving{0};         // at once, so far

    boost::asio::awaitable<Result<SecretBytes>> derive(hardware::Label label, Bytes context,
                                                       hardware::Deadline deadline) override {
        most_deriving = std::max(most_deriving, ++deriving);
        const auto answered = co_await answer(std::min(deadline, std::chrono::steady_clock::now() + slow), deadline);
        --deriving;
        HWVAULT_CO_CHECK(answered);
        if (is_another) context.push_back(1);
        if (before_derive) std::exchange(before_derive, nullptr)();
        co_return device_.derive(label, context);
    }
    boost::asio::awaitable<Result<Bytes>> checkpoint(hardware::Checkpoint checkpoint,
                                                     hardware::Deadline deadline) override {
        HWVAULT_CO_CHECK(co_await answer(deadline));
        if (refuse_checkpoint) co_return hardware_unavailable("The fake device signs nothing.");
        if (checkpoint.sequence <= last_sequence) co_return invalid_argument("The sequence must grow.");
        auto signature = device_.sign(hardware::checkpoint_message(checkpoint));
        if (signature) last_sequence = checkpoint.sequence;
        co_return signature;
    }
    boost::asio::awaitable<Result<SecretBytes>> random(std::size_t size, hardware::Deadline deadline) override {
        HWVAULT_CO_CHECK(co_await answer(deadline));
        co_return device_.random(size);
    }
    boost::asio::awaitable<Result<std::uint64_t>> epoch(hardware::Deadline deadline) override {
        HWVAULT_CO_CHECK(co_await answer(deadline));
        co_return device_.epoch();
    }
    boost::asio::awaitable<Result<hardware::CounterReading>> advance(std::uint64_t from, hardware::Deadline deadline) override {
        HWVAULT_CO_CHECK(co_await answer(deadline));
        if (refuse_advance) co_return *refuse_advance;
        auto stepped = device_.advance(from);
        if (std::exchange(lose_advance, false)) co_return hardware_unavailable("The answer was lost.");
        co_return stepped;
    }
    boost::asio::awaitable<Result<hardware::Description>> describe(hardware::Deadline deadline) override {
        HWVAULT_CO_CHECK(co_await answer(deadline));
        co_return device_.describe();
    }
    [[nodiscard]] Result<void> state() const override {
        if (device_.token().faults.gone) return Error{ErrorCode::kHardwareUnavailable, "The fake device is unplugged."};
        return {};
    }
    void on_state_change(std::function<void()> changed) override { changed_ = std::move(changed); }

    void plug(bool in) {
        device_.token().faults.gone = !in;
        if (changed_) changed_();
    }

private:
    // Yields once, as a real answer does; while the device hangs, the deadline ends the call.
    boost::asio::awaitable<Result<void>> answer(hardware::Deadline deadline) { return answer({}, deadline); }
    boost::asio::awaitable<Result<void>> answer(hardware::Deadline answered_at, hardware::Deadline deadline) {
        boost::asio::steady_timer timer(strand_, hang ? deadline : answered_at);
        co_await timer.async_wait(boost::asio::as_tuple(boost::asio::use_awaitable));
        if (hang) co_return Error{ErrorCode::kHardwareUnavailable, "The fake device hangs."};
        co_return Result<void>{};
    }

    boost::asio::any_io_executor strand_;
    mutable hardware::FakeDevice device_;
    std::function<void()> changed_;
};

class TableOfUsers final : public peer::Resolver {
public:
    std::map<std::string, std::uint32_t> uids;
    std::function<Result<policy::Caller>(policy::Caller)> as_it_is_now;  // of who was in a unit; as before while there is none

    boost::asio::awaitable<Result<peer::Identity>> resolve(peer::Credentials) override {
        co_return Error{ErrorCode::kInternal, "Not used by the service."};
    }
    boost::asio::awaitable<Result<policy::Caller>> confirm(peer::Identity identity) override {
        if (!as_it_is_now || !identity.caller.unit) co_return std::move(identity.caller);
        co_return as_it_is_now(std::move(identity.caller));
    }
    boost::asio::awaitable<Result<std::uint32_t>> uid_of(std::uint32_t, std::string user) override {
        const auto found = uids.find(user);
        if (found == uids.end()) co_return Error{ErrorCode::kNotFound, "There is no user " + user + "."};
        co_return found->second;
    }
};

// A folder that goes with the test.
class TemporaryFolder {
public:
    TemporaryFolder() {
        std::string pattern = (std::filesystem::temp_directory_path() / "hwvault-service-XXXXXX").string();
        if (::mkdtemp(pattern.data()) == nullptr) throw std::runtime_error("mkdtemp");
        path_ = pattern;
    }
    TemporaryFolder(const TemporaryFolder&) = delete;
    TemporaryFolder& operator=(const TemporaryFolder&) = delete;
    ~TemporaryFolder() { std::filesystem::remove_all(path_); }
    [[nodiscard]] const std::filesystem::path& path() const { return path_; }

private:
    std::filesystem::path path_;
};

inline policy::Caller user(const std::string& name, std::uint32_t uid) {
    policy::Caller caller;
    caller.uid = uid;
    caller.user = name;
    caller.groups = {name};
    return caller;
}

class Harness {
public:
    Harness() { start(); }
    // With recovery.
    explicit Harness(std::filesystem::path recipient) : recipient_file(std::move(recipient)) { start(); }
    Harness(const Harness&) = delete;
    Harness& operator=(const Harness&) = delete;
    ~Harness() {
        if (service_) shut();
    }

    std::shared_ptr<hardware::FakeToken> token{std::make_shared<hardware::FakeToken>()};
    vault::UnixTime now{4'000'000'000};  // 2096: a reader in this process, whose clock is the machine's, takes this vault for alive
    vault::Quotas quotas;
    AntiRollback anti_rollback{AntiRollback::kStrict};  // these two from the next start on
    std::chrono::milliseconds batch_interval{kBatchInterval};
    std::chrono::milliseconds use_interval{UseSweep::kInterval};
    std::shared_ptr<const policy::Policy> rules{std::make_shared<const policy::Policy>(
        policy::Policy::of({{"50-default.toml", std::string(policy::default_rules())}}).value())};
    std::filesystem::path recipient_file;  // takes effect at the next start
    TemporaryFolder folder;
    std::shared_ptr<audit::Sink> audit_files = audit::make_files(folder.path() / "audit");
    std::vector<std::string> touched;  // what was said of the audit files
    std::vector<std::string> states;  // that were told, with those of the hardware
    policy::Caller root = user("root", 0);
    policy::Caller alice = user("alice", 1000);
    policy::Caller bob = user("bob", 1001);

    [[nodiscard]] std::filesystem::path file() const { return folder.path() / "store.db"; }
    VaultService& service() { return *service_; }
    FakeHardware& device() { return *hardware_; }
    TableOfUsers& users() { return *users_; }

    // Begins a coroutine of the service, whose outcome is there once it has ended.
    template <class T>
    std::shared_ptr<std::optional<T>> begin(boost::asio::awaitable<T> work) {
        auto outcome = std::make_shared<std::optional<T>>();
        boost::asio::co_spawn(
            *io_,
            [](boost::asio::awaitable<T> inner, std::shared_ptr<std::optional<T>> result) -> boost::asio::awaitable<void> {
                result->emplace(co_await std::move(inner));
            }(std::move(work), outcome),
            boost::asio::detached);
        return outcome;
    }

    // Runs a coroutine of the service to its end.
    template <class T>
    T run(boost::asio::awaitable<T> work) {
        const auto outcome = begin(std::move(work));
        until([&] { return outcome->has_value(); });
        return std::move(**outcome);
    }

    // Lets the strand work until `reached`, thirty seconds at most.
    template <class Condition>
    void until(Condition reached) {
        const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(30);
        while (!reached()) {
            io_->restart();
            io_->run_for(std::chrono::milliseconds(5));
            if (std::chrono::steady_clock::now() > deadline) throw std::runtime_error("The service did not get there.");
        }
    }

    // The device and what works for it, without a service: for what is done while hwvaultd is stopped.
    void plug_in() {
        if (store_thread_) store_thread_->join();
        io_ = std::make_unique<boost::asio::io_context>(1);
        store_thread_ = std::make_unique<boost::asio::thread_pool>(1);
        hardware_ = std::make_unique<FakeHardware>(io_->get_executor(), token);
        users_ = std::make_unique<TableOfUsers>();
        users_->uids = {{"root", 0}, {"alice", 1000}, {"bob", 1001}};
    }

    void start() {
        plug_in();
        if (!std::filesystem::exists(file())) run(initialise_vault(opening_parts(), "hwv_")).value();
        service_ = std::make_unique<VaultService>(VaultService::Parts{.strand = io_->get_executor(),
                                                                      .store_thread = *store_thread_,
                                                                      .hardware = *hardware_,
                                                                      .resolver = *users_,
                                                                      .store_file = file(),
                                                                      .quotas = quotas,
                                                                      .anti_rollback = anti_rollback,
                                                                      .batch_interval = batch_interval,
                                                                      .policy = rules,
                                                                      .recipient_file = recipient_file,
                                                                      .audit_files = audit_files,
                                                                      .journal = nullptr,
                                                                      .clock = [this] { return now; },
                                                                      .trouble = [this](const std::string& what) {
                                                                          touched.push_back(what);
                                                                      },
                                                                      .state_changed = [this](const Status& status) {
                                                                          states.push_back(status.state + "/" +
                                                                                           status.hardware_state);
                                                                      },
                                                                      .use_interval = use_interval});
        service_->start();
        until([&] { return service_->status().state != "starting"; });
    }

    // As SIGTERM does it. Nothing when it is shut.
    void shut() {
        if (!service_) return;
        bool stopped = false;
        boost::asio::co_spawn(
            *io_,
            [](VaultService& service, bool& done) -> boost::asio::awaitable<void> {
                co_await service.stop();
                done = true;
            }(*service_, stopped),
            boost::asio::detached);
        until([&] { return stopped; });
        io_->restart();
        io_->run_for(std::chrono::seconds(5));
        service_.reset();
        store_thread_->join();
    }

    // What waits for the store waits until the future that this gives is set.
    std::promise<void> hold_store() {
        std::promise<void> released;
        boost::asio::post(*store_thread_, [future = released.get_future().share()] { future.wait(); });
        return released;
    }

    // From within a callback of the device: lets the strand do all that it can do now.
    void poll() { io_->poll(); }

    void restart() {
        shut();
        start();
    }

    OpeningParts opening_parts() {
        return {.store_thread = *store_thread_, .hardware = *hardware_, .store_file = file(), .quotas = quotas,
                .anti_rollback = anti_rollback, .recipient_file = recipient_file};
    }

    // What a caller gets of its own `default`, as text; the test reads it as a verifier would.
    std::string get(const policy::Caller& caller, const std::string& account = "", const std::string& name = "") {
        const auto retrieved = run(service_->retrieve({caller}, account, name));
        return std::string(text_of(retrieved.value().secret.reveal()));
    }
    bool active(const std::string& text) { return service_->verify(root, bytes_of(text)).value().active; }

private:
    std::unique_ptr<boost::asio::io_context> io_;
    std::unique_ptr<boost::asio::thread_pool> store_thread_;
    std::unique_ptr<FakeHardware> hardware_;
    std::unique_ptr<TableOfUsers> users_;
    std::unique_ptr<VaultService> service_;
};

// The store as it lies on the disk while the vault is closed or at rest: into a new folder, and back in its place.
inline void copy_store(Harness& vault, const std::filesystem::path& to) {
    std::filesystem::create_directory(to);
    for (const char* const part : {"", "-wal"}) {
        const std::string from = vault.file().string() + part;
        if (std::filesystem::exists(from)) std::filesystem::copy_file(from, to / ("store.db" + std::string(part)));
    }
}

inline void put_back(Harness& vault, const std::filesystem::path& from) {
    for (const char* const part : {"", "-wal", "-shm"}) std::filesystem::remove(vault.file().string() + part);
    for (const auto& entry : std::filesystem::directory_iterator(from)) {
        std::filesystem::copy_file(entry.path(), vault.folder.path() / entry.path().filename());
    }
}

}  // namespace hwvault::service
