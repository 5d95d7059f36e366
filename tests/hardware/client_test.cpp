// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The daemon's side against a real child process that crashes, hangs, is stopped and killed.
#include "daemon/hardware/client.h"

#include <csignal>
#include <fstream>

#include <sys/wait.h>

#include "tests/catch.h"
#include "tests/hardware/harness.h"

namespace hwvault::hardware {
namespace {

constexpr auto kHangTimeout = 1s;  // where a hang is tested; elsewhere a busy machine must not look like one

bool is_alive(pid_t pid) {
    return ::kill(pid, 0) == 0;
}

Bytes order(std::string_view text) {
    return {text.begin(), text.end()};
}

// A client and its fake child.
class Supervised {
public:
    explicit Supervised(std::chrono::milliseconds hang_timeout = kPatience) : Supervised(Spawn{}, hang_timeout) {}
    explicit Supervised(std::variant<Spawn, Connect> child, std::chrono::milliseconds hang_timeout = kPatience,
                        std::chrono::milliseconds restart_patience = kPatience) {
        if (auto* const spawn = std::get_if<Spawn>(&child); spawn != nullptr && spawn->path.empty()) {
            *spawn = {.path = FAKE_CHILD, .args = {folder_.path().string()}, .env = {}};
        }
        client_ = Client::create(loop_.executor(), {.child = std::move(child),
                                                    .hang_timeout = hang_timeout,
                                                    .restart_patience = restart_patience});
        client_->on_state_change([this] { ++changes; });
    }
    Supervised(const Supervised&) = delete;
    Supervised& operator=(const Supervised&) = delete;
    ~Supervised() {
        try {
            stop();
        } catch (const std::exception&) {
            FAIL_CHECK("the client did not stop");
        }
    }

    void stop() {
        if (!client_) return;
        auto stopped = boost::asio::co_spawn(loop_.executor(), client_->stop(), boost::asio::use_future);
        if (!loop_.run_until([&] { return Loop::is_ready(stopped); })) throw std::runtime_error("stop() does not end");
        client_.reset();
    }

    Loop& loop() { return loop_; }
    Client& client() { return *client_; }
    const std::filesystem::path& folder() const { return folder_.path(); }

    bool wait_until_up() {
        return loop_.run_until([this] { return client_->state().has_value(); });
    }
    // The process that answers; the fake child describes itself by it.
    pid_t child() {
        auto description = loop_.run(client_->describe(in(kPatience)));
        REQUIRE(description.has_value());
        return std::stoi(description->serial);
    }
    auto derive(std::string_view context, std::chrono::milliseconds time = kPatience) {
        auto pending = loop_.start(client_->derive(Label::kToken, order(context), in(time)));
        loop_.run_for(20ms);
        return pending;
    }

    int changes{0};

private:
    TempFolder folder_;
    Loop loop_;
    std::unique_ptr<Client> client_;
};

// A fake child that listens on `folder`/socket, as systemd runs it.
ChildProcess listening_child(Loop& children, const std::filesystem::path& folder, uid_t served = ::getuid()) {
    auto [unused, passed] = socket_pair();
    const Spawn spawn{.path = FAKE_CHILD,
                      .args = {folder.string(), "--listen", (folder / "socket").string(), std::to_string(served)},
                      .env = {}};
    return ChildProcess::start(children.executor(), spawn, std::move(passed)).value();
}

// A signal to one process: 0 and less are many, and to root -1 is every one on the machine.
void send_signal(pid_t child, int signal) {
    REQUIRE(child > 0);
    REQUIRE(::kill(child, signal) == 0);
}

// A child of this process, of which no thread does anything from here on: the signal alone may take a moment.
void stop(pid_t child) {
    send_signal(child, SIGSTOP);
    siginfo_t info{};
    REQUIRE(::waitid(P_PID, static_cast<id_t>(child), &info, WSTOPPED | WNOWAIT) == 0);
}

template <class T>
ErrorCode code_of(const Result<T>& result) {
    REQUIRE_FALSE(result.has_value());
    return result.error().code;
}

TEST_CASE("the client starts the child and passes every verb on") {
    Supervised daemon;
    CHECK(code_of(daemon.client().state()) == ErrorCode::kHardwareUnavailable);
    REQUIRE(daemon.wait_until_up());
    CHECK(daemon.changes > 0);
    Loop& loop = daemon.loop();
    Client& client = daemon.client();
    const auto deadline = in(kPatience);
    CHECK(loop.run(client.derive(Label::kSeal, {1}, deadline)).value().size() == kDerivedSize);
    CHECK(loop.run(client.random(9, deadline)).value().size() == 9);
    CHECK(loop.run(client.advance(0, deadline)).value().number == 1);
    CHECK(loop.run(client.epoch(deadline)).value() == 1);
    CHECK(loop.run(client.describe(deadline)).value().kind == "fake");
    CHECK_FALSE(loop.run(client.checkpoint({.sequence = 1}, deadline)).value().empty());
    CHECK(code_of(loop.run(client.checkpoint({.sequence = 1}, deadline))) == ErrorCode::kInvalidArgument);
}

TEST_CASE("what no child would take is refused before it is sent") {
    Supervised daemon;
    REQUIRE(daemon.wait_until_up());
    const auto deadline = in(kPatience);
    CHECK(code_of(daemon.loop().run(daemon.client().random(0, deadline))) == ErrorCode::kInvalidArgument);
    CHECK(code_of(daemon.loop().run(daemon.client().random(kMaxRandomSize + 1, deadline))) ==
          ErrorCode::kInvalidArgument);
    CHECK(code_of(daemon.loop().run(daemon.client().derive(Label::kToken, Bytes(kMaxContextSize + 1), deadline))) ==
          ErrorCode::kInvalidArgument);
    CHECK(daemon.client().state().has_value());
}

TEST_CASE("a child that is killed is started again, and neither who waits nor who comes meanwhile is told") {
    Supervised daemon;
    REQUIRE(daemon.wait_until_up());
    const pid_t first = daemon.child();
    auto one = daemon.derive("hang in " + std::to_string(first));
    auto two = daemon.derive("hang in " + std::to_string(first));
    send_signal(first, SIGKILL);
    REQUIRE(daemon.loop().run_until([&] { return !daemon.client().state(); }));
    auto three = daemon.derive("works");
    for (auto* const call : {&one, &two, &three}) CHECK(daemon.loop().finish(std::move(*call)).has_value());
    CHECK(daemon.child() != first);
}

TEST_CASE("a device that takes long to open after a restart is found as soon as it is open") {
    bool was_seen = false;
    for (int round = 0; round < 10 && !was_seen; ++round) {
        Supervised daemon;
        REQUIRE(daemon.wait_until_up());
        std::ofstream(daemon.folder() / "opening").close();
        send_signal(daemon.child(), SIGKILL);
        REQUIRE(daemon.loop().run_until([&] { return !daemon.client().state(); }));
        auto call = daemon.derive("works");
        daemon.loop().run_for(2s);
        CHECK_FALSE(Loop::is_ready(call));
        std::filesystem::remove(daemon.folder() / "opening");
        const auto opened = std::chrono::steady_clock::now();
        CHECK(daemon.loop().finish(std::move(call)).has_value());
        was_seen = std::chrono::steady_clock::now() < opened + 400ms;  // else this machine was too slow to tell
    }
    CHECK(was_seen);
}

TEST_CASE("a checkpoint that was under way when the child was killed is not asked for again") {
    Supervised daemon;
    REQUIRE(daemon.wait_until_up());
    const pid_t first = daemon.child();
    stop(first);
    auto signing = daemon.loop().start(daemon.client().checkpoint({.sequence = 1}, in(kPatience)));
    daemon.loop().run_for(20ms);
    send_signal(first, SIGKILL);
    CHECK(code_of(daemon.loop().finish(std::move(signing))) == ErrorCode::kHardwareUnavailable);
}

TEST_CASE("a child that does not come back fails every call within the patience with a restart, and by its deadline") {
    const TempFolder folder;
    Loop children;
    ChildProcess child = listening_child(children, folder.path());
    const auto patience = Options{}.restart_patience;
    Supervised daemon(Connect{folder.path() / "socket"}, kPatience, patience);
    REQUIRE(daemon.wait_until_up());
    auto under_way = daemon.derive("hang");
    child.kill();
    const auto killed = std::chrono::steady_clock::now();
    CHECK(code_of(daemon.loop().finish(daemon.derive("in a hurry", 100ms))) == ErrorCode::kHardwareUnavailable);
    CHECK(std::chrono::steady_clock::now() - killed < patience / 2);
    CHECK(code_of(daemon.loop().finish(std::move(under_way))) == ErrorCode::kHardwareUnavailable);
    const auto took = std::chrono::steady_clock::now() - killed;
    CHECK(took > patience / 2);
    CHECK(took < kPatience / 2);
    CHECK(code_of(daemon.loop().finish(daemon.derive("late"))) == ErrorCode::kHardwareUnavailable);
    CHECK(std::chrono::steady_clock::now() - killed < took + 1s);  // the patience was with the loss, not with each call
}

TEST_CASE("a module that crashes costs a restart of the child, and the state says how it ended") {
    Supervised daemon;
    REQUIRE(daemon.wait_until_up());
    auto crashed = daemon.derive("crash");
    CHECK(code_of(daemon.loop().finish(std::move(crashed))) == ErrorCode::kHardwareUnavailable);
    CHECK(daemon.loop().run_until([&] {
        const auto state = daemon.client().state();
        return !state && state.error().message.find("signal 6") != std::string::npos;
    }));
    CHECK(daemon.wait_until_up());
}

TEST_CASE("a stopped child: calls end by their deadline, and it is replaced") {
    Supervised daemon(kHangTimeout);
    REQUIRE(daemon.wait_until_up());
    const pid_t stopped = daemon.child();
    stop(stopped);
    const auto late = daemon.loop().finish(daemon.derive("x", 100ms));
    CHECK(code_of(late) == ErrorCode::kHardwareUnavailable);
    CHECK(late.error().message.find("did not answer in time") != std::string::npos);
    CHECK(daemon.loop().run_until([&] { return !is_alive(stopped); }));
    REQUIRE(daemon.wait_until_up());
    CHECK(daemon.child() != stopped);
}

TEST_CASE("a call that hangs inside the device costs the child, though other calls are answered") {
    Supervised daemon(kHangTimeout);
    REQUIRE(daemon.wait_until_up());
    const pid_t hung = daemon.child();
    auto pending = daemon.derive("hang");
    CHECK(daemon.loop().finish(daemon.derive("meanwhile")).has_value());
    CHECK(code_of(daemon.loop().finish(std::move(pending))) == ErrorCode::kHardwareUnavailable);
    CHECK(daemon.loop().run_until([&] { return !is_alive(hung); }));
    CHECK(daemon.wait_until_up());
}

TEST_CASE("a device that goes and comes back needs no restart of the child") {
    Supervised daemon;
    REQUIRE(daemon.wait_until_up());
    const pid_t child = daemon.child();
    std::ofstream(daemon.folder() / "gone").close();
    CHECK(code_of(daemon.loop().finish(daemon.derive("gone"))) == ErrorCode::kHardwareUnavailable);
    REQUIRE(daemon.loop().run_until([&] {
        const auto state = daemon.client().state();
        return !state && state.error().message == "The fake device is not plugged in.";
    }));
    std::filesystem::remove(daemon.folder() / "gone");
    REQUIRE(daemon.wait_until_up());
    CHECK(daemon.child() == child);
}

TEST_CASE("a program that cannot be started is named by the state, and tried again") {
    const TempFolder folder;
    const auto program = folder.path() / "hwvault-hardware";
    Supervised daemon(Spawn{.path = program, .args = {folder.path().string()}, .env = {}});
    REQUIRE(daemon.loop().run_until([&] {
        return !daemon.client().state() && daemon.client().state().error().message.find(program) != std::string::npos;
    }));
    CHECK(code_of(daemon.loop().finish(daemon.derive("x"))) == ErrorCode::kHardwareUnavailable);
    std::filesystem::create_symlink(FAKE_CHILD, program);
    CHECK(daemon.wait_until_up());
}

TEST_CASE("a child that ends each time at once is started again with doubled pauses") {
    const TempFolder folder;
    const auto starts = folder.path() / "starts";
    const auto began = std::chrono::steady_clock::now();
    Supervised daemon(Spawn{.path = "/bin/sh", .args = {"-c", "echo >>" + starts.string()}, .env = {}});
    REQUIRE(daemon.loop().run_until([&] {
        std::error_code not_yet;
        const auto count = std::filesystem::file_size(starts, not_yet);  // a byte for each start
        return !not_yet && count >= 6;
    }));
    // 50 + 100 + 200 + 400 + 800 ms; a pause that stayed the same would make it 250.
    CHECK(std::chrono::steady_clock::now() - began >= 1550ms);
}

TEST_CASE("stop ends the child, a stopped one too") {
    Supervised daemon;
    REQUIRE(daemon.wait_until_up());
    const pid_t child = daemon.child();
    const bool frozen = GENERATE(false, true);
    if (frozen) stop(child);
    auto pending = daemon.derive("hang");
    daemon.stop();
    CHECK_FALSE(is_alive(child));
    CHECK(code_of(daemon.loop().finish(std::move(pending))) == ErrorCode::kHardwareUnavailable);
}

TEST_CASE("a client that connects finds a child that comes later, and finds it again") {
    const TempFolder folder;
    const auto socket = folder.path() / "socket";
    Supervised daemon(Connect{socket});
    REQUIRE(daemon.loop().run_until([&] {
        return !daemon.client().state() && daemon.client().state().error().message.find(socket) != std::string::npos;
    }));
    for (int round = 0; round < 2; ++round) {
        Loop children;
        ChildProcess child = listening_child(children, folder.path());
        REQUIRE(daemon.wait_until_up());
        CHECK(daemon.child() == child.pid());
        child.kill();
        CHECK(daemon.loop().run_until([&] { return !daemon.client().state(); }));
    }
}

TEST_CASE("a child that listens serves nobody of another uid") {
    const TempFolder folder;
    const auto socket = folder.path() / "socket";
    Loop children;
    const ChildProcess child = listening_child(children, folder.path(), ::getuid() + 1);
    REQUIRE(wait_until([&] { return std::filesystem::exists(socket); }));
    Supervised daemon(Connect{socket});
    REQUIRE(daemon.loop().run_until([&] {
        return !daemon.client().state() &&
               daemon.client().state().error().message.find("child ended") != std::string::npos;
    }));
    daemon.loop().run_for(200ms);
    CHECK_FALSE(daemon.client().state().has_value());
    CHECK(is_alive(child.pid()));
}

}  // namespace
}  // namespace hwvault::hardware
