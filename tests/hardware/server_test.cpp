// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The child's loop, served in this process over a socket pair.
#include "daemon/hardware/child/server.h"

#include <ctime>

#include <sys/time.h>

#include "crypto/digest.h"
#include "crypto/p256.h"
#include "os/file.h"
#include "tests/catch.h"
#include "tests/hardware/faulty_device.h"
#include "tests/hardware/harness.h"

namespace hwvault::hardware::child {
namespace {

// How many devices were open at once, and how often one was opened.
struct Openings {
    std::atomic<int> now{0};
    std::atomic<int> most{0};
    std::atomic<int> total{0};
};

// A FaultyDevice that is counted as long as it lives.
class CountedDevice final : public Device {
public:
    CountedDevice(std::shared_ptr<FakeToken> token, Openings& openings)
        : device_(std::move(token)), openings_(openings) {
        ++openings_.total;
        openings_.most = std::max(openings_.most.load(), ++openings_.now);
    }
    ~CountedDevice() override { --openings_.now; }
    Result<SecretBytes> derive(Label label, BytesView context) override { return device_.derive(label, context); }
    Result<Bytes> sign(BytesView message) override { return device_.sign(message); }
    Result<SecretBytes> random(std::size_t size) override { return device_.random(size); }
    Result<std::uint64_t> epoch() override { return device_.epoch(); }
    Result<CounterReading> advance(std::uint64_t from) override { return device_.advance(from); }
    Result<Description> describe() override { return device_.describe(); }
    [[nodiscard]] unsigned parallel() const override { return device_.parallel(); }

private:
    FaultyDevice device_;
    Openings& openings_;
};

// A server on a thread of its own, and the daemon's end of its connection.
class Served {
public:
    explicit Served(const std::filesystem::path& state, std::shared_ptr<FakeToken> token) : token_(std::move(token)) {
        server_ = std::make_unique<Server>(ServerSettings{
            .state = state,
            .open = [this]() -> Result<std::unique_ptr<Device>> {
                if (const auto code = refusal.load(); code != 0) {
                    return Error{static_cast<ErrorCode>(code), "The device cannot be opened."};
                }
                return std::unique_ptr<Device>(std::make_unique<CountedDevice>(token_, openings));
            },
            .locked = [this](const Error&) { ++locked; },
            .log = [](std::string_view) {},
            .pace = {.first = 5ms, .longest = 20ms, .served_a_while = 10s}});
        auto [ours, theirs] = socket_pair();
        daemon_ = std::move(ours);
        const timeval patience{30, 0};
        ::setsockopt(daemon_.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
        thread_ = std::thread([this, end = std::make_shared<os::Fd>(std::move(theirs))] {
            server_->serve(std::move(*end));
            ended = true;
        });
    }
    Served(const Served&) = delete;
    Served& operator=(const Served&) = delete;
    ~Served() {
        close();
        thread_.join();
    }

    void close() { daemon_ = os::Fd(); }

    void send(BytesView bytes) const {
        REQUIRE(::send(daemon_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL) ==
                static_cast<ssize_t>(bytes.size()));
    }
    std::uint64_t ask(Verb verb) {
        send(encode(Request{++last_id_, std::move(verb)}));
        return last_id_;
    }
    // The next answer, whichever it is; nullopt when the connection is closed.
    std::optional<Answer> receive() {
        for (;;) {
            if (const auto frame = frames_.next()) return decode_answer(*frame);
            const auto space = frames_.space();
            const ssize_t got = ::recv(daemon_.get(), space.data(), space.size(), 0);
            if (got <= 0) return std::nullopt;
            frames_.filled(static_cast<std::size_t>(got));
        }
    }
    Result<SecretBytes> call(Verb verb) {
        ask(std::move(verb));
        auto answer = receive();
        if (!answer) return Error{ErrorCode::kInternal, "The connection was closed."};
        return std::move(answer->result);
    }
    bool wait_until_open() {
        return wait_until([this] { return call(EpochRequest{}).has_value(); });
    }

    Openings openings;
    std::atomic<int> refusal{0};  // an ErrorCode: the device cannot be opened
    std::atomic<int> locked{0};
    std::atomic<bool> ended{false};

private:
    std::shared_ptr<FakeToken> token_;
    std::unique_ptr<Server> server_;
    os::Fd daemon_;
    FrameReader frames_;
    std::uint64_t last_id_{0};
    std::thread thread_;
};

ErrorCode code_of(const Result<SecretBytes>& result) {
    REQUIRE_FALSE(result.has_value());
    return result.error().code;
}

Bytes order(std::string_view text) {
    return {text.begin(), text.end()};
}

CheckpointRequest checkpoint(std::uint64_t sequence) {
    return {Checkpoint{.sequence = sequence, .epoch = 3}};
}

TEST_CASE("each verb is done by the device") {
    const TempFolder folder;
    const auto token = std::make_shared<FakeToken>();
    Served served(folder.path(), token);
    REQUIRE(served.wait_until_open());

    const Bytes context{1, 2, 3};
    const auto derived = served.call(DeriveRequest{Label::kToken, context});
    REQUIRE(derived.has_value());
    CHECK(equal_in_constant_time(derived->reveal(), crypto::hmac_sha256(token->root_key(),
                                                                        derivation_input(Label::kToken, context))));
    CHECK(served.call(RandomRequest{40})->size() == 40);
    CHECK(decode_reading(served.call(AdvanceRequest{})->reveal())->number == 1U);
    CHECK(decode_number(served.call(EpochRequest{})->reveal()) == 1U);

    const auto description = decode_description(served.call(DescribeRequest{})->reveal());
    REQUIRE(description);
    const auto signature = served.call(checkpoint(1));
    REQUIRE(signature.has_value());
    CHECK(crypto::verify_p256(description->signing_key, checkpoint_message(checkpoint(1).checkpoint),
                              signature->reveal()).value());
}

TEST_CASE("the label of the epoch is refused over the socket") {
    const TempFolder folder;
    Served served(folder.path(), std::make_shared<FakeToken>());
    REQUIRE(served.wait_until_open());
    CHECK(code_of(served.call(DeriveRequest{Label::kEpoch, {1}})) == ErrorCode::kAccessDenied);
}

TEST_CASE("a checkpoint's sequence must grow, across restarts too") {
    const TempFolder folder;
    {
        Served served(folder.path(), std::make_shared<FakeToken>());
        REQUIRE(served.wait_until_open());
        CHECK(code_of(served.call(checkpoint(0))) == ErrorCode::kInvalidArgument);
        CHECK(served.call(checkpoint(5)).has_value());
        CHECK(code_of(served.call(checkpoint(5))) == ErrorCode::kInvalidArgument);
        CHECK(code_of(served.call(checkpoint(4))) == ErrorCode::kInvalidArgument);
    }
    Served restarted(folder.path(), std::make_shared<FakeToken>());
    REQUIRE(restarted.wait_until_open());
    CHECK(code_of(restarted.call(checkpoint(5))) == ErrorCode::kInvalidArgument);
    CHECK(restarted.call(checkpoint(6)).has_value());
}

TEST_CASE("a sequence is used up before the device signs") {
    const TempFolder folder;
    const auto token = std::make_shared<FakeToken>();
    Served served(folder.path(), token);
    REQUIRE(served.wait_until_open());
    token->faults.gone = true;
    CHECK(code_of(served.call(checkpoint(1))) == ErrorCode::kHardwareUnavailable);
    token->faults.gone = false;
    REQUIRE(served.wait_until_open());
    CHECK(code_of(served.call(checkpoint(1))) == ErrorCode::kInvalidArgument);
}

TEST_CASE("with a damaged ledger no checkpoint is signed") {
    const TempFolder folder;
    REQUIRE(os::write_file_durably(folder.path() / "last-checkpoint", Bytes{1, 2, 3}, 0600).has_value());
    Served served(folder.path(), std::make_shared<FakeToken>());
    REQUIRE(served.wait_until_open());
    CHECK(code_of(served.call(checkpoint(9))) == ErrorCode::kInternal);
}

TEST_CASE("a malformed or oversized frame closes the connection") {
    const TempFolder folder;
    Served served(folder.path(), std::make_shared<FakeToken>());
    REQUIRE(served.wait_until_open());
    SECTION("too large") { served.send(Bytes{1, 0, 1, 0}); }
    SECTION("empty") { served.send(Bytes{0, 0, 0, 0}); }
    SECTION("no request") { served.send(Bytes{2, 0, 0, 0, 7, 7}); }
    CHECK_FALSE(served.receive());
    CHECK(wait_until([&] { return served.ended.load(); }));
}

TEST_CASE("a slow request does not hold up the next one") {
    const TempFolder folder;
    const auto token = std::make_shared<FakeToken>();
    Served served(folder.path(), token);
    REQUIRE(served.wait_until_open());
    const auto slow = served.ask(DeriveRequest{Label::kToken, order("held")});
    const auto quick = served.ask(EpochRequest{});
    const auto first = served.receive();
    REQUIRE(first);
    CHECK(first->id == quick);
    token->faults.held = false;
    const auto second = served.receive();
    REQUIRE(second);
    CHECK(second->id == slow);
}

TEST_CASE("of requests that come at once each wakes a worker") {
    const TempFolder folder;
    const auto token = std::make_shared<FakeToken>();
    Served served(folder.path(), token);
    REQUIRE(served.wait_until_open());
    Bytes both = encode(Request{101, DeriveRequest{Label::kToken, order("held")}});
    const Bytes second = encode(Request{102, EpochRequest{}});
    both.insert(both.end(), second.begin(), second.end());
    both.push_back(second.front());  // and the beginning of a third
    served.send(both);
    const auto first = served.receive();
    REQUIRE(first);
    CHECK(first->id == 102);
    token->faults.held = false;
    CHECK(served.receive().value().id == 101);
    served.send(BytesView(second).subspan(1));
    CHECK(served.receive().value().id == 102);
}

TEST_CASE("what the device does not get to waits in the socket, and is answered when it does") {
    const TempFolder folder;
    const auto token = std::make_shared<FakeToken>();
    Served served(folder.path(), token);
    REQUIRE(served.wait_until_open());
    for (std::size_t i = 0; i < kMaxInFlight; ++i) served.ask(DeriveRequest{Label::kToken, order("held")});
    token->faults.held = false;
    for (std::size_t i = 0; i < kMaxInFlight; ++i) REQUIRE(served.receive());
}

TEST_CASE("no request is left lying, however many come at once and whoever reads them") {
    const TempFolder folder;
    const auto token = std::make_shared<FakeToken>();
    Served served(folder.path(), token);
    REQUIRE(served.wait_until_open());
    constexpr std::size_t kRounds = 2'000;
    for (std::size_t round = 0; round < kRounds; ++round) {
        const std::size_t requests = 1 + round % 32;
        for (std::size_t i = 0; i < requests; ++i) served.ask(EpochRequest{});
        for (std::size_t i = 0; i < requests; ++i) REQUIRE(served.receive());
    }
}

TEST_CASE("a request that is not whole yet keeps no worker busy") {
    const TempFolder folder;
    const auto token = std::make_shared<FakeToken>();
    Served served(folder.path(), token);
    REQUIRE(served.wait_until_open());
    const Bytes request = encode(Request{101, EpochRequest{}});
    served.send(BytesView(request).first(request.size() - 1));
    const std::clock_t before = std::clock();  // of the processor, by all threads
    std::this_thread::sleep_for(200ms);
    CHECK(std::clock() - before < CLOCKS_PER_SEC / 20);
    served.send(BytesView(request).last(1));
    CHECK(served.receive().value().id == 101);
}

TEST_CASE("the other side's end is seen while every worker hangs in the device") {
    const TempFolder folder;
    const auto token = std::make_shared<FakeToken>();
    Served served(folder.path(), token);
    REQUIRE(served.wait_until_open());
    const unsigned workers = FaultyDevice(token).parallel();
    for (unsigned i = 0; i < 2 * workers; ++i) served.ask(DeriveRequest{Label::kToken, order("held")});
    CHECK(wait_until([&] { return token->faults.holding == workers; }));
    served.close();
    CHECK(wait_until([&] { return served.ended.load(); }));
    CHECK(token->faults.holding == workers);
    token->faults.held = false;
}

TEST_CASE("without a device every request is answered with the reason, until it is there") {
    const TempFolder folder;
    Served served(folder.path(), std::make_shared<FakeToken>());
    REQUIRE(served.wait_until_open());
    const auto code = GENERATE(ErrorCode::kHardwareUnavailable, ErrorCode::kHardwareLocked, ErrorCode::kNotInitialised);
    served.refusal = static_cast<int>(code);
    CHECK(code_of(served.call(DeriveRequest{Label::kToken, order("gone")})) == ErrorCode::kHardwareUnavailable);
    CHECK(wait_until([&] {
        const auto answer = served.call(EpochRequest{});
        return !answer && answer.error() == Error{code, "The device cannot be opened."};
    }));
    for (const Verb& verb : {Verb(DeriveRequest{Label::kToken, {1}}), Verb(RandomRequest{1}), Verb(AdvanceRequest{}),
                             Verb(DescribeRequest{}), Verb(checkpoint(1))}) {
        CHECK(code_of(served.call(verb)) == code);
    }
    served.refusal = 0;
    CHECK(served.wait_until_open());
}

TEST_CASE("a device that is lost is opened anew, and never twice at once") {
    const TempFolder folder;
    const auto token = std::make_shared<FakeToken>();
    Served served(folder.path(), token);
    REQUIRE(served.wait_until_open());
    for (int round = 0; round < 3; ++round) {
        token->faults.held = true;
        const auto slow = served.ask(DeriveRequest{Label::kToken, order("held")});
        REQUIRE(wait_until([&] { return token->faults.holding == 1; }));
        CHECK(code_of(served.call(DeriveRequest{Label::kToken, order("gone")})) ==
              ErrorCode::kHardwareUnavailable);
        // While the slow call still holds the old device, there is no other.
        CHECK(code_of(served.call(EpochRequest{})) == ErrorCode::kHardwareUnavailable);
        token->faults.held = false;
        const auto finished = served.receive();
        REQUIRE(finished);
        CHECK(finished->id == slow);
        CHECK(finished->result.has_value());
        REQUIRE(served.wait_until_open());
    }
    CHECK(served.openings.total == 4);
    CHECK(served.openings.most == 1);
}

TEST_CASE("a device that comes back without its keys is opened anew") {
    const TempFolder folder;
    Served served(folder.path(), std::make_shared<FakeToken>());
    REQUIRE(served.wait_until_open());
    served.refusal = static_cast<int>(ErrorCode::kNotInitialised);
    CHECK(code_of(served.call(DeriveRequest{Label::kToken, order("keyless")})) == ErrorCode::kNotInitialised);
    CHECK(code_of(served.call(EpochRequest{})) == ErrorCode::kNotInitialised);
    served.refusal = 0;
    CHECK(served.wait_until_open());
    CHECK(served.openings.total == 2);
    CHECK(served.locked == 0);
}

TEST_CASE("a PIN that went bad while the device was open is reported once, and the device closed") {
    const TempFolder folder;
    Served served(folder.path(), std::make_shared<FakeToken>());
    REQUIRE(served.wait_until_open());
    served.refusal = static_cast<int>(ErrorCode::kHardwareLocked);
    CHECK(code_of(served.call(DeriveRequest{Label::kToken, order("locked")})) == ErrorCode::kHardwareLocked);
    CHECK(served.locked == 1);
    CHECK(code_of(served.call(EpochRequest{})) == ErrorCode::kHardwareLocked);
    CHECK(served.openings.total == 1);
}

}  // namespace
}  // namespace hwvault::hardware::child
