// SPDX-License-Identifier: LGPL-2.1-or-later
//
// hwvault-hardware itself: on a SoftHSM2 token, with right and wrong PINs, and with calls that fail; and the fake child
// under a watchdog.
#include <csignal>
#include <limits>

#include <sys/un.h>

#include "daemon/hardware/child/pin.h"
#include "daemon/hardware/client.h"
#include "os/file.h"
#include "os/run.h"
#include "tests/catch.h"
#include "tests/contract/faulty_module.h"
#include "tests/hardware/harness.h"

namespace hwvault::hardware {
namespace {

using std::filesystem::path;

constexpr auto kModule = "/usr/lib/softhsm/libsofthsm2.so";
constexpr auto kTool = "/usr/bin/pkcs11-tool";

bool softhsm_is_missing() {
    if (std::filesystem::exists(kModule) && std::filesystem::exists(kTool)) return false;
    WARN("skipped: softhsm2 or opensc is not installed");
    return true;
}

void write(const path& file, std::string_view text, unsigned mode = 0600) {
    REQUIRE(os::write_file_durably(file, bytes_of(text), mode).has_value());
}

// A folder with a SoftHSM2 token that has its keys, and how to start the child on it.
class SoftToken {
public:
    SoftToken() {
        REQUIRE(os::make_folder(file("tokens"), 0700).has_value());
        write(file("softhsm2.conf"), "directories.tokendir = " + file("tokens").string() + "\nlog.level = ERROR\n");
        std::string serial = run({"create-token", "--module", kModule, "--label", "test", "--pin-file",
                                  file("pin").string(), "--so-pin-file", file("so-pin").string()})
                                 .value();
        serial.pop_back();
        serial_ = serial;
        configure(kModule);
        REQUIRE(run(init()).has_value());
    }

    [[nodiscard]] path file(const char* name) const { return folder_.path() / name; }
    [[nodiscard]] std::vector<std::string> environment() const {
        auto all = environment_;
        all.push_back("SOFTHSM2_CONF=" + file("softhsm2.conf").string());
        return all;
    }
    [[nodiscard]] std::vector<std::string> arguments(const std::string& command) const {
        return {command,      "--config", file("hwvault.toml").string(), "--pin-file", file("pin").string(), "--state",
                file("state").string()};
    }
    [[nodiscard]] std::vector<std::string> init() const {
        auto all = arguments("init");
        all.emplace_back("--dev");  // a token of whoever runs the test
        return all;
    }
    [[nodiscard]] Result<std::string> run(std::vector<std::string> args) const {
        return os::run({HARDWARE_CHILD, std::move(args), environment()});
    }
    [[nodiscard]] Spawn serve() const { return {HARDWARE_CHILD, arguments("serve"), environment()}; }

    // From the next start on the token fails as the faults say.
    testing::Faults& make_faulty() {
        configure(FAULTY_MODULE);
        environment_ = {"HWVAULT_FAULTY_OVER=" + std::string(kModule), "HWVAULT_FAULTS=" + file("faults").string()};
        return testing::make_faults(file("faults"));
    }

    // A wrong PIN was given since the last right one.
    [[nodiscard]] bool was_given_a_wrong_pin() const {
        return os::run({kTool, {"--module", kModule, "--list-token-slots"}, environment()}).value().find(
                   "user PIN count low") != std::string::npos;
    }
    // By the token's own tool, as its owner would; the PIN goes through the environment.
    void log_in_by_hand(const SecretBytes& pin) const {
        auto with_pin = environment();
        with_pin.push_back("HWVAULT_TEST_PIN=" + std::string(text_of(pin.reveal())));
        REQUIRE(os::run({kTool,
                         {"--module", kModule, "--login", "--pin", "env:HWVAULT_TEST_PIN", "--list-objects"},
                         with_pin})
                    .has_value());
    }
    [[nodiscard]] SecretBytes pin() const { return child::read_pin_file(file("pin")).value(); }

private:
    void configure(const std::string& module) const {
        write(file("hwvault.toml"),
              "[hardware]\nkind = 'pkcs11'\nmodule = '" + module + "'\nserial = '" + serial_ + "'\n");
    }

    TempFolder folder_;
    std::string serial_;
    std::vector<std::string> environment_;
};

// A daemon's side that starts the child, waits for a verdict, and stops it.
class Daemon {
public:
    explicit Daemon(const SoftToken& token)
        : client_(Client::create(loop_.executor(), {.child = token.serve(), .hang_timeout = kPatience})) {}
    Daemon(const Daemon&) = delete;
    Daemon& operator=(const Daemon&) = delete;
    ~Daemon() {
        const auto stopped = boost::asio::co_spawn(loop_.executor(), client_->stop(), boost::asio::use_future);
        CHECK(loop_.run_until([&] { return Loop::is_ready(stopped); }));
    }

    bool becomes(std::optional<ErrorCode> code) {
        return loop_.run_until([&] {
            const auto state = client_->state();
            return code ? !state && state.error().code == *code : state.has_value();
        });
    }
    // The state names the call and the code as the reason.
    bool becomes(ErrorCode code, std::string_view reason) {
        return loop_.run_until([&] {
            const auto state = client_->state();
            return !state && state.error().code == code && state.error().message.find(reason) != std::string::npos;
        });
    }
    Result<SecretBytes> derive() { return loop_.run(client_->derive(Label::kToken, {1, 2}, in(kPatience))); }
    Loop& loop() { return loop_; }
    Client& client() { return *client_; }

private:
    Loop loop_;
    std::unique_ptr<Client> client_;
};

TEST_CASE("hwvault-hardware serves a SoftHSM2 token, and comes back with the same key after a kill") {
    if (softhsm_is_missing()) return;
    const SoftToken token;
    Daemon daemon(token);
    REQUIRE(daemon.becomes(std::nullopt));
    const auto before = daemon.derive();
    REQUIRE(before.has_value());
    CHECK(daemon.loop().run(daemon.client().describe(in(kPatience)))->kind == "pkcs11");

    const auto children = os::read_file("/proc/self/task/" + std::to_string(::getpid()) + "/children", 4'096);
    REQUIRE(children.has_value());
    REQUIRE(::kill(std::stoi(std::string(text_of(*children))), SIGKILL) == 0);
    CHECK(daemon.loop().run_until([&] { return !daemon.client().state(); }));
    REQUIRE(daemon.becomes(std::nullopt));
    const auto after = daemon.derive();
    REQUIRE(after.has_value());
    CHECK(equal_in_constant_time(before->reveal(), after->reveal()));
}

TEST_CASE("a login under way when the daemon goes is let to its end, unless it hangs") {
    if (softhsm_is_missing()) return;
    SoftToken token;
    testing::Faults& faults = token.make_faulty();
    const bool hangs = GENERATE(false, true);
    faults.login_takes = hangs ? 60'000 : 500;
    Loop loop;
    auto [daemon, end] = socket_pair();
    auto child = ChildProcess::start(loop.executor(), token.serve(), std::move(end));
    REQUIRE(child.has_value());
    REQUIRE(loop.run_until([&] { return faults.logins == 1; }));
    daemon = os::Fd();
    CHECK(loop.run(child->ended(kPatience)) == "exit status 0");
    CHECK(faults.logins_done == (hangs ? 0 : 1));
}

TEST_CASE("a device is opened once its last server has ended") {
    if (softhsm_is_missing()) return;
    SoftToken token;
    testing::Faults& faults = token.make_faulty();
    auto before = std::make_unique<Daemon>(token);
    REQUIRE(before->becomes(std::nullopt));
    Daemon after(token);
    REQUIRE(after.becomes(ErrorCode::kHardwareUnavailable, "Another hwvault-hardware"));
    CHECK(before->derive().has_value());
    CHECK(faults.logins == 1);
    before.reset();
    CHECK(after.becomes(std::nullopt));
}

TEST_CASE("a wrong PIN is given to the token exactly once, across restarts, and another one is tried") {
    if (softhsm_is_missing()) return;
    const SoftToken token;
    const SecretBytes right = token.pin();
    write(token.file("pin"), "wrong-one");
    {
        Daemon daemon(token);
        REQUIRE(daemon.becomes(ErrorCode::kHardwareLocked));
        CHECK(daemon.client().state().error().message.find("CKR_PIN_INCORRECT") != std::string::npos);
    }
    CHECK(token.was_given_a_wrong_pin());

    token.log_in_by_hand(right);  // so that another try of the wrong PIN would show
    REQUIRE_FALSE(token.was_given_a_wrong_pin());
    for (int restart = 0; restart < 2; ++restart) {
        Daemon daemon(token);
        REQUIRE(daemon.becomes(ErrorCode::kHardwareLocked));
        CHECK(daemon.client().state().error().message.find("rejected this PIN before") != std::string::npos);
        CHECK_FALSE(token.run(token.init()).has_value());
        CHECK_FALSE(token.was_given_a_wrong_pin());
        if (restart == 0) continue;
        // The credential changes while the child runs: it finds that out by itself.
        write(token.file("pin"), text_of(right.reveal()));
        CHECK(daemon.becomes(std::nullopt));
    }
    CHECK_FALSE(std::filesystem::exists(token.file("state") / "rejected-pin"));
}

TEST_CASE("a PIN that the token's flags kept from being tried is not held against it") {
    if (softhsm_is_missing()) return;
    const SoftToken token;
    const SecretBytes right = token.pin();
    write(token.file("pin"), "wrong-one");
    CHECK_FALSE(token.run(token.init()).has_value());
    write(token.file("pin"), text_of(right.reveal()));
    {
        Daemon daemon(token);
        REQUIRE(daemon.becomes(ErrorCode::kHardwareLocked));
        CHECK(daemon.client().state().error().message.find("CKF_USER_PIN_COUNT_LOW") != std::string::npos);
    }
    token.log_in_by_hand(right);
    Daemon daemon(token);
    CHECK(daemon.becomes(std::nullopt));
}

TEST_CASE("while a token that was gone cannot be opened the state says why, and all is well when it can") {
    if (softhsm_is_missing()) return;
    SoftToken token;
    testing::Faults& faults = token.make_faulty();
    using Failure = std::pair<CK_RV, std::string>;
    const auto [rv, name] = GENERATE(Failure(CKR_SESSION_COUNT, "C_OpenSession: CKR_SESSION_COUNT"),
                                     Failure(CKR_HOST_MEMORY, "C_OpenSession: CKR_HOST_MEMORY"));
    Daemon daemon(token);
    REQUIRE(daemon.becomes(std::nullopt));
    REQUIRE(daemon.derive().has_value());
    const int loads = faults.loads;
    faults.open_rv = rv;
    faults.open_failures = std::numeric_limits<int>::max();
    faults.sign_rv = CKR_DEVICE_ERROR;
    faults.sign_failures = 1;
    CHECK_FALSE(daemon.derive().has_value());
    REQUIRE(daemon.becomes(ErrorCode::kHardwareUnavailable, name));
    // The device's own attempt, and some by the keeper, through the gate of the PIN.
    CHECK(daemon.loop().run_until([&] { return faults.loads >= loads + 4; }));
    CHECK_FALSE(daemon.client().state().has_value());
    faults.open_failures = 0;
    CHECK(daemon.becomes(std::nullopt));
    CHECK(daemon.derive().has_value());
}

TEST_CASE("a PIN that may have been rejected is not tried again by this process, and the state says so") {
    if (softhsm_is_missing()) return;
    SoftToken token;
    testing::Faults& faults = token.make_faulty();
    {
        Daemon daemon(token);
        REQUIRE(daemon.becomes(std::nullopt));
        const int logins = faults.logins;
        faults.login_rv = CKR_GENERAL_ERROR;
        faults.sign_rv = CKR_DEVICE_ERROR;
        faults.sign_failures = 1;
        CHECK_FALSE(daemon.derive().has_value());
        REQUIRE(daemon.becomes(ErrorCode::kHardwareLocked, "C_Login: CKR_GENERAL_ERROR"));
        faults.login_rv = CKR_OK;
        daemon.loop().run_for(1s);  // in which the keeper asks the gate several times
        CHECK(daemon.becomes(ErrorCode::kHardwareLocked, "C_Login: CKR_GENERAL_ERROR"));
        CHECK(faults.logins == logins + 1);
    }
    CHECK_FALSE(std::filesystem::exists(token.file("state") / "rejected-pin"));
    Daemon restarted(token);
    CHECK(restarted.becomes(std::nullopt));
}

TEST_CASE("a PIN file that others can read is refused in words, and accepted once it is mended") {
    if (softhsm_is_missing()) return;
    const SoftToken token;
    std::filesystem::permissions(token.file("pin"), std::filesystem::perms(0644));
    CHECK_FALSE(token.run(token.init()).has_value());
    Daemon daemon(token);
    CHECK(daemon.loop().run_until([&] {
        const auto state = daemon.client().state();
        return !state && state.error().code == ErrorCode::kHardwareUnavailable &&
               state.error().message.find("chmod 0600") != std::string::npos;
    }));
    std::filesystem::permissions(token.file("pin"), std::filesystem::perms(0600));
    CHECK(daemon.becomes(std::nullopt));
}

TEST_CASE("the PIN is in no process's command line or environment") {
    if (softhsm_is_missing()) return;
    const SoftToken token;
    const SecretBytes pin = token.pin();
    Daemon daemon(token);
    REQUIRE(daemon.becomes(std::nullopt));
    int seen = 0;
    for (const auto& process : std::filesystem::directory_iterator("/proc")) {
        for (const char* const name : {"cmdline", "environ"}) {
            const auto content = os::read_file(process.path() / name, 1024 * 1024);
            if (!content) continue;
            CHECK(text_of(*content).find(text_of(pin.reveal())) == std::string_view::npos);
            if (text_of(*content).find("hwvault-hardware") != std::string_view::npos) ++seen;
        }
    }
    CHECK(seen > 0);
}

TEST_CASE("a state folder that others can enter is refused") {
    if (softhsm_is_missing()) return;
    const SoftToken token;
    std::filesystem::permissions(token.file("state"), std::filesystem::perms(0755));
    CHECK_FALSE(token.run(token.init()).has_value());
}

// systemd's end of sd_notify(3).
class NotifySocket {
public:
    explicit NotifySocket(const path& at) : fd_(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0)) {
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        at.string().copy(address.sun_path, sizeof address.sun_path - 1);
        REQUIRE(::bind(fd_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
    }
    // What came since the last call.
    std::string take() const {
        std::string all;
        std::array<char, 4096> message;
        for (;;) {
            const ssize_t got = ::recv(fd_.get(), message.data(), message.size(), MSG_DONTWAIT);
            if (got < 0) return all;
            all.append(message.data(), static_cast<std::size_t>(got)).append("\n");
        }
    }

private:
    os::Fd fd_;
};

TEST_CASE("the watchdog is fed by an idle device, and no more once one call hangs") {
    const TempFolder folder;
    const NotifySocket systemd(folder.path() / "notify");
    Loop loop;
    const auto client = Client::create(
        loop.executor(), {.child = Spawn{FAKE_CHILD,
                                         {folder.path().string()},
                                         {"NOTIFY_SOCKET=" + (folder.path() / "notify").string(),
                                          "WATCHDOG_USEC=300000"}},
                          .hang_timeout = kPatience});
    REQUIRE(loop.run_until([&] { return client->state().has_value(); }));
    std::string heard;
    const auto hears = [&](std::string_view what) {
        heard += systemd.take();
        return heard.find(what) != std::string::npos;
    };
    CHECK(loop.run_until([&] { return hears("READY=1"); }));
    heard.clear();
    CHECK(loop.run_until([&] { return hears("WATCHDOG=1"); }));
    heard.clear();
    CHECK(loop.run_until([&] { return hears("WATCHDOG=1"); }));

    auto hung = loop.start(client->derive(Label::kToken, {'h', 'a', 'n', 'g'}, in(kPatience)));
    loop.run_for(2s);  // until the call has begun and the limit is over, in which the others go on
    systemd.take();
    for (const auto end = in(600ms); std::chrono::steady_clock::now() < end;) {
        CHECK(loop.run(client->epoch(in(kPatience))).has_value());
        loop.run_for(20ms);
    }
    CHECK(systemd.take().find("WATCHDOG=1") == std::string::npos);
    auto stopped = boost::asio::co_spawn(loop.executor(), client->stop(), boost::asio::use_future);
    CHECK(loop.run_until([&] { return Loop::is_ready(stopped); }));
    CHECK_FALSE(loop.finish(std::move(hung)).has_value());
}

TEST_CASE("a child whose daemon is gone ends by itself, though its device hangs") {
    const TempFolder folder;
    Loop loop;
    auto [ours, theirs] = socket_pair();
    auto child = ChildProcess::start(loop.executor(), {FAKE_CHILD, {folder.path().string()}, {}}, std::move(theirs));
    REQUIRE(child.has_value());
    const Bytes frame = encode(Request{1, DeriveRequest{Label::kToken, {'h', 'a', 'n', 'g'}}});
    REQUIRE(::send(ours.get(), frame.data(), frame.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(frame.size()));
    loop.run_for(100ms);
    ours = os::Fd();
    CHECK(loop.run(child->ended(kPatience)) == "exit status 0");
}

}  // namespace
}  // namespace hwvault::hardware
