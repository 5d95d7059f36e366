// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Names for ids: by the system's name service, by one that fails, and by one that never answers.
#include <atomic>
#include <condition_variable>
#include <mutex>
#include <vector>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>

#include "daemon/peer/name_service.h"
#include "daemon/peer/peer.h"
#include "tests/catch.h"

namespace hwvault::peer {
namespace {

namespace asio = boost::asio;
using std::chrono::milliseconds;
using Names = std::vector<std::string>;

// Answers at once: user-UID, group-GID.
NameService prompt_names() {
    NameService names;
    names.user_of = [](std::uint32_t uid) -> Result<std::optional<std::string>> {
        return std::optional<std::string>("user-" + std::to_string(uid));
    };
    names.group_of = [](std::uint32_t gid) -> Result<std::optional<std::string>> {
        return std::optional<std::string>("group-" + std::to_string(gid));
    };
    names.uid_of = [](const std::string&) -> Result<std::optional<std::uint32_t>> { return std::optional{77U}; };
    return names;
}

// Where a look-up hangs until the test lets it go. Shared with the threads, which may outlive the test's end.
struct Gate {
    std::mutex mutex;
    std::condition_variable changed;
    bool open{false};
    std::atomic<int> waiting{0};

    void wait() {
        std::unique_lock lock(mutex);
        ++waiting;
        changed.wait(lock, [this] { return open; });
    }
    void release() {
        const std::lock_guard lock(mutex);
        open = true;
        changed.notify_all();
    }
};

Credentials credentials(std::uint32_t uid, std::vector<std::uint32_t> gids) {
    Credentials given;
    given.uid = uid;
    given.gids = std::move(gids);
    return given;
}

Result<policy::Caller> caller_of(Result<Identity> identity) {
    if (!identity) return identity.error();
    return std::move(identity->caller);
}

// Runs the strand until every one of `count` callers has its answer.
std::vector<Result<policy::Caller>> resolve_all(asio::io_context& strand, Resolver& resolver,
                                                const std::vector<std::uint32_t>& uids) {
    std::vector<Result<policy::Caller>> answers;
    for (const auto uid : uids) {
        asio::co_spawn(strand, resolver.resolve(credentials(uid, {uid})),
                       [&](const std::exception_ptr&, Result<Identity> answer) {
                           answers.push_back(caller_of(std::move(answer)));
                       });
    }
    strand.restart();
    strand.run();
    return answers;
}

Result<policy::Caller> resolve(asio::io_context& strand, Resolver& resolver, Credentials given) {
    Result<policy::Caller> outcome = Error{};
    asio::co_spawn(strand, resolver.resolve(std::move(given)), [&](const std::exception_ptr&, Result<Identity> answer) {
        outcome = caller_of(std::move(answer));
    });
    strand.restart();
    strand.run();
    return outcome;
}

Result<std::uint32_t> uid_of(asio::io_context& strand, Resolver& resolver, std::string user) {
    Result<std::uint32_t> outcome = Error{};
    asio::co_spawn(strand, resolver.uid_of(0, std::move(user)),
                   [&](const std::exception_ptr&, Result<std::uint32_t> answer) { outcome = std::move(answer); });
    strand.restart();
    strand.run();
    return outcome;
}

TEST_CASE("The system's name service knows root") {
    asio::io_context strand;
    const auto resolver = Resolver::create(strand.get_executor());
    const auto caller = resolve(strand, *resolver, credentials(0, {0}));
    REQUIRE(caller.has_value());
    CHECK(caller->uid == 0);
    CHECK(caller->user == "root");
    CHECK(caller->groups == Names{"root"});
    CHECK(caller->unit == std::nullopt);
    CHECK(uid_of(strand, *resolver, "root").value() == 0);
}

TEST_CASE("A name that nobody has is not found") {
    asio::io_context strand;
    const auto resolver = Resolver::create(strand.get_executor());
    const auto missing = uid_of(strand, *resolver, "no-such-user-here");
    REQUIRE_FALSE(missing.has_value());
    CHECK(missing.error().code == ErrorCode::kNotFound);
    const auto unknown = resolve(strand, *resolver, credentials(3'999'999'999U, {3'999'999'998U}));
    REQUIRE(unknown.has_value());
    CHECK(unknown->user == std::nullopt);
    CHECK(unknown->groups.empty());
}

TEST_CASE("Nobody and dynamic users have no name, whatever the name service says") {
    asio::io_context strand;
    const auto resolver = make_resolver(strand.get_executor(), prompt_names(), milliseconds{2'000});
    for (const std::uint32_t id : {65'534U, 61'184U, 63'000U, 65'519U}) {
        const auto caller = resolve(strand, *resolver, credentials(id, {id}));
        REQUIRE(caller.has_value());
        CHECK(caller->uid == id);
        CHECK(caller->user == std::nullopt);
        CHECK(caller->groups.empty());
    }
    for (const std::uint32_t id : {0U, 61'183U, 65'520U, 65'535U}) {
        const auto caller = resolve(strand, *resolver, credentials(id, {id}));
        REQUIRE(caller.has_value());
        CHECK(caller->user == "user-" + std::to_string(id));
        CHECK(caller->groups == Names{"group-" + std::to_string(id)});
    }
    auto names = prompt_names();
    names.uid_of = [](const std::string&) -> Result<std::optional<std::uint32_t>> { return std::optional{61'200U}; };
    const auto dynamic = make_resolver(strand.get_executor(), names, milliseconds{2'000});
    CHECK(uid_of(strand, *dynamic, "someone").error().code == ErrorCode::kNotFound);
}

TEST_CASE("At most 64 groups are asked for, the first ones") {
    asio::io_context strand;
    const auto resolver = make_resolver(strand.get_executor(), prompt_names(), milliseconds{2'000});
    std::vector<std::uint32_t> gids;
    for (std::uint32_t gid = 1000; gid < 1100; ++gid) gids.push_back(gid);
    const auto caller = resolve(strand, *resolver, credentials(1, gids));
    REQUIRE(caller.has_value());
    REQUIRE(caller->groups.size() == 64);
    CHECK(caller->groups.front() == "group-1000");
    CHECK(caller->groups.back() == "group-1063");
}

TEST_CASE("A name service that fails is not a user without a name") {
    asio::io_context strand;
    auto names = prompt_names();
    names.group_of = [](std::uint32_t) -> Result<std::optional<std::string>> {
        return Error{ErrorCode::kBusy, "getgrgid_r: Input/output error"};
    };
    const auto resolver = make_resolver(strand.get_executor(), names, milliseconds{2'000});
    const auto caller = resolve(strand, *resolver, credentials(5, {5}));
    REQUIRE_FALSE(caller.has_value());
    CHECK(caller.error().code == ErrorCode::kBusy);
    CHECK(caller.error().message.find("Input/output error") != std::string::npos);
}

TEST_CASE("A name service that hangs stops nobody but the callers that need it") {
    asio::io_context strand;
    const auto gate = std::make_shared<Gate>();
    auto names = prompt_names();
    names.user_of = [gate](std::uint32_t uid) -> Result<std::optional<std::string>> {
        if (uid == 13) gate->wait();
        return std::optional<std::string>("user-" + std::to_string(uid));
    };
    {
        const auto resolver = make_resolver(strand.get_executor(), names, milliseconds{2'000});
        // More than there are threads: each that hangs is given up and replaced.
        const auto stuck = resolve_all(strand, *resolver, {13, 13, 13, 13});
        REQUIRE(stuck.size() == 4);
        for (const auto& answer : stuck) {
            REQUIRE_FALSE(answer.has_value());
            CHECK(answer.error().code == ErrorCode::kBusy);
        }
        const auto fine = resolve(strand, *resolver, credentials(14, {}));
        REQUIRE(fine.has_value());
        CHECK(fine->user == "user-14");
        CHECK(gate->waiting.load() >= 2);

        SECTION("and the resolver can go while it hangs") {}
        SECTION("and its threads come back when it answers at last") {
            gate->release();
            CHECK(resolve(strand, *resolver, credentials(13, {})).has_value());
        }
    }
    gate->release();
}

TEST_CASE("However much one uid has to be looked up, another one's does not wait for it") {
    asio::io_context strand;
    const auto gate = std::make_shared<Gate>();
    auto names = prompt_names();
    names.user_of = [gate](std::uint32_t uid) -> Result<std::optional<std::string>> {
        if (uid == 13) gate->wait();
        return std::optional<std::string>("user-" + std::to_string(uid));
    };
    const auto resolver = make_resolver(strand.get_executor(), names, milliseconds{10'000});
    std::vector<Result<policy::Caller>> answers;
    const auto count = [&](const std::exception_ptr&, Result<Identity> answer) {
        answers.push_back(caller_of(std::move(answer)));
    };
    constexpr std::size_t kCalls = 300;
    for (std::size_t i = 0; i < kCalls; ++i) asio::co_spawn(strand, resolver->resolve(credentials(13, {})), count);
    strand.poll();
    const auto began = std::chrono::steady_clock::now();
    asio::co_spawn(strand, resolver->resolve(credentials(14, {})), count);
    while (answers.empty()) strand.run_one();
    CHECK(answers.at(0).value().user == "user-14");
    CHECK(std::chrono::steady_clock::now() - began < std::chrono::seconds(5));  // not at the deadline
    CHECK(gate->waiting.load() <= 2);
    gate->release();
    strand.run();
    CHECK(answers.size() == kCalls + 1);
    for (const auto& answer : answers) CHECK(answer.has_value());
}

}  // namespace
}  // namespace hwvault::peer
