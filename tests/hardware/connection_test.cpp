// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The request table and its deadlines, against a child that the test plays itself.
#include "daemon/hardware/connection.h"

#include <algorithm>
#include <sys/time.h>

#include "foundation/fields.h"
#include "tests/catch.h"
#include "tests/hardware/harness.h"

namespace hwvault::hardware {
namespace {

using Outcome = std::future<Result<SecretBytes>>;

// A connection, and the other end of it in the test's hands.
class Stage {
public:
    explicit Stage(std::chrono::milliseconds hang_timeout = kPatience) {
        auto [ours, theirs] = socket_pair();
        child_ = std::move(theirs);
        const timeval patience{30, 0};
        ::setsockopt(child_.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
        Socket socket(loop_.executor(), boost::asio::local::stream_protocol(), ours.release());
        connection_ = Connection::start(std::move(socket), hang_timeout);
    }
    ~Stage() {
        connection_->close({ErrorCode::kInternal, "The test is over."});
        loop_.run_for(1ms);
    }

    Loop& loop() { return loop_; }
    Connection& connection() { return *connection_; }

    Outcome call(std::chrono::milliseconds time = kPatience) {
        auto outcome = loop_.start(connection_->call(EpochRequest{}, in(time)));
        loop_.run_for(1ms);
        return outcome;
    }
    std::uint64_t next_id() { return next_id_or_end().value(); }
    // None when the connection ended instead.
    std::optional<std::uint64_t> next_id_or_end() {
        for (;;) {
            if (const auto frame = frames_.next()) return decode_request(*frame).value().id;
            const auto space = frames_.space();
            ssize_t got = -1;
            for (int i = 0; i < 30'000 && got < 0; ++i) {
                got = ::recv(child_.get(), space.data(), space.size(), MSG_DONTWAIT);
                if (got < 0) loop_.run_for(1ms);
            }
            if (got < 0) throw std::runtime_error("no request came");
            if (got == 0) return std::nullopt;
            frames_.filled(static_cast<std::size_t>(got));
        }
    }
    void send(BytesView bytes) const {
        REQUIRE(::send(child_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL) ==
                static_cast<ssize_t>(bytes.size()));
    }
    void answer(std::uint64_t id, std::uint64_t number) const { send(encode(Answer{id, encode_number(number)})); }
    void leave() { child_ = os::Fd(); }

private:
    Loop loop_;
    std::shared_ptr<Connection> connection_;
    os::Fd child_;
    FrameReader frames_;
};

std::optional<std::uint64_t> number_of(const Result<SecretBytes>& result) {
    return result ? decode_number(result->reveal()) : std::nullopt;
}

ErrorCode code_of(const Result<SecretBytes>& result) {
    REQUIRE_FALSE(result.has_value());
    return result.error().code;
}

TEST_CASE("answers in another order find the calls that wait for them") {
    Stage stage;
    auto first = stage.call();
    auto second = stage.call();
    const std::uint64_t first_id = stage.next_id();
    const std::uint64_t second_id = stage.next_id();
    stage.answer(second_id, 2);
    CHECK(number_of(stage.loop().finish(std::move(second))) == 2U);
    CHECK_FALSE(Loop::is_ready(first));
    stage.answer(first_id, 1);
    CHECK(number_of(stage.loop().finish(std::move(first))) == 1U);
}

TEST_CASE("a call ends at its deadline, and its late answer is ignored") {
    Stage stage;
    auto late = stage.call(500ms);
    const std::uint64_t late_id = stage.next_id();
    CHECK(code_of(stage.loop().finish(std::move(late))) == ErrorCode::kHardwareUnavailable);
    auto next = stage.call();
    const std::uint64_t next_id = stage.next_id();
    stage.answer(late_id, 1);
    stage.answer(next_id, 2);
    CHECK(number_of(stage.loop().finish(std::move(next))) == 2U);
    CHECK_FALSE(stage.connection().is_closed());
}

TEST_CASE("a call whose deadline has passed is not sent") {
    Stage stage;
    CHECK(code_of(stage.loop().finish(stage.call(0ms))) == ErrorCode::kHardwareUnavailable);
    auto next = stage.call();
    CHECK(stage.next_id() == 1);
    stage.answer(1, 1);
    CHECK(stage.loop().finish(std::move(next)).has_value());
}

TEST_CASE("one request more than may be in flight is answered Busy at once") {
    Stage stage;
    std::vector<Outcome> waiting;
    for (std::size_t i = 0; i < kMaxInFlight; ++i) waiting.push_back(stage.call());
    CHECK(code_of(stage.loop().finish(stage.call())) == ErrorCode::kBusy);
    stage.answer(stage.next_id(), 1);
    CHECK(stage.loop().finish(std::move(waiting.front())).has_value());
    auto fits_again = stage.call();
    CHECK_FALSE(Loop::is_ready(fits_again));
}

TEST_CASE("when the child goes every call ends at once, and so do later ones") {
    Stage stage;
    auto first = stage.call();
    auto second = stage.call();
    stage.leave();
    CHECK(code_of(stage.loop().finish(std::move(first))) == ErrorCode::kHardwareUnavailable);
    CHECK(code_of(stage.loop().finish(std::move(second))) == ErrorCode::kHardwareUnavailable);
    CHECK(code_of(stage.loop().finish(stage.call())) == ErrorCode::kHardwareUnavailable);
}

TEST_CASE("what is no answer to a request of ours closes the connection") {
    Stage stage;
    auto call = stage.call();
    const std::uint64_t id = stage.next_id();
    SECTION("an answer to nothing that was asked") { stage.answer(id + 1, 1); }
    SECTION("an answer that came before") {
        auto other = stage.call();
        const std::uint64_t other_id = stage.next_id();
        stage.answer(other_id, 1);
        stage.answer(other_id, 1);
    }
    SECTION("a frame too large") { stage.send(Bytes{0, 0, 2, 0}); }
    SECTION("a frame that is none") { stage.send(Bytes{1, 0, 0, 0, 9}); }
    SECTION("an unknown status") {
        Bytes frame = FieldWriter().number(id).number(99).text("").take();
        frame.insert(frame.begin(), {static_cast<std::uint8_t>(frame.size()), 0, 0, 0});
        stage.send(frame);
    }
    CHECK(code_of(stage.loop().finish(std::move(call))) == ErrorCode::kHardwareUnavailable);
    CHECK(stage.connection().is_closed());
}

TEST_CASE("a request that stays the oldest for too long means that the child hangs, though others are answered") {
    Stage stage(300ms);
    const auto begun = std::chrono::steady_clock::now();
    auto stuck = stage.call();
    const std::uint64_t stuck_id = stage.next_id();
    while (!Loop::is_ready(stuck) && std::chrono::steady_clock::now() < begun + kPatience) {
        auto other = stage.call();
        const auto id = stage.next_id_or_end();
        if (stage.connection().is_closed()) break;
        REQUIRE(id.value() != stuck_id);
        stage.answer(*id, 1);
        stage.loop().run_for(10ms);
    }
    CHECK(std::chrono::steady_clock::now() - begun >= 300ms);
    CHECK(stage.connection().is_closed());
    const auto result = stage.loop().finish(std::move(stuck));
    REQUIRE_FALSE(result.has_value());
    CHECK(result.error().message.find("hung") != std::string::npos);
}

TEST_CASE("a queue that moves is no hang, however long its last request waits") {
    Stage stage(2s);
    constexpr int kCalls = 50;
    std::vector<Outcome> calls;
    for (int i = 0; i < kCalls; ++i) calls.push_back(stage.call());
    for (int i = 0; i < kCalls; ++i) {
        stage.loop().run_for(50ms);
        stage.answer(stage.next_id(), 1);
    }
    for (Outcome& call : calls) CHECK(stage.loop().finish(std::move(call)).has_value());
    CHECK_FALSE(stage.connection().is_closed());
}

}  // namespace
}  // namespace hwvault::hardware
