// SPDX-License-Identifier: LGPL-2.1-or-later
//
// A caller that was found to be a unit, looked at again later: it may have ended, or be elsewhere by then.
#include <future>
#include <memory>

#include <fcntl.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>

#include "daemon/peer/name_service.h"
#include "daemon/peer/peer.h"
#include "tests/peer/processes.h"

namespace hwvault::peer {
namespace {

namespace asio = boost::asio;

NameService names_of_ids() {
    NameService names;
    names.user_of = [](std::uint32_t uid) -> Result<std::optional<std::string>> {
        return std::optional("user-" + std::to_string(uid));
    };
    names.group_of = [](std::uint32_t) -> Result<std::optional<std::string>> { return std::optional<std::string>("group"); };
    names.uid_of = [](const std::string&) -> Result<std::optional<std::uint32_t>> { return std::optional{1U}; };
    return names;
}

// A resolver with a strand of its own, asked one question at a time.
class Asked {
public:
    explicit Asked(NameService names = names_of_ids())
        : resolver_(make_resolver(strand_.get_executor(), std::move(names), std::chrono::milliseconds{5'000})) {}

    Identity identity_of(const Child& child) {
        Credentials credentials;
        credentials.uid = 7;
        credentials.gids = {7};
        credentials.pid = child.pid();
        credentials.pidfd = std::make_shared<const os::Fd>(::fcntl(child.pidfd().get(), F_DUPFD_CLOEXEC, 0));
        return answer(resolver_->resolve(std::move(credentials))).value();
    }
    policy::Caller now(const Identity& identity) { return answer(resolver_->confirm(identity)).value(); }

    Resolver& resolver() { return *resolver_; }
    asio::io_context& strand() { return strand_; }

private:
    template <class T>
    T answer(asio::awaitable<T> question) {
        T outcome = Error{};
        asio::co_spawn(strand_, std::move(question),
                       [&](const std::exception_ptr&, T answered) { outcome = std::move(answered); });
        strand_.restart();
        strand_.run();
        return outcome;
    }

    asio::io_context strand_;
    std::unique_ptr<Resolver> resolver_;
};

TEST_CASE("A unit is confirmed as long as its process runs in it; then it is its uid and groups alone") {
    const auto groups = make_groups();
    if (!groups) return;
    REQUIRE(groups->add("billing.service"));
    REQUIRE(groups->add("other.service"));
    Child child;
    REQUIRE(groups->enter("billing.service", child.pid()));
    Asked asked;
    const Identity billing = asked.identity_of(child);
    REQUIRE(billing.caller.unit == "billing.service");
    CHECK(asked.now(billing).unit == "billing.service");

    SECTION("when the process has moved to another unit") { REQUIRE(groups->enter("other.service", child.pid())); }
    SECTION("when it has moved out of every unit") { REQUIRE(groups->enter("", child.pid())); }
    SECTION("when it has ended, and nobody has seen that") { child.kill_unreaped(); }
    SECTION("when it is gone") { child.end(); }
    const policy::Caller now = asked.now(billing);
    CHECK(now.unit == std::nullopt);
    CHECK(now.invocation.empty());
    CHECK(now.uid == 7);
    CHECK(now.user == "user-7");
    CHECK(now.groups == std::vector<std::string>{"group"});
    child.end();
}

TEST_CASE("A caller without a unit needs no process to be confirmed by, and holds none") {
    Child child;
    Asked asked;
    Identity identity = asked.identity_of(child);
    if (identity.caller.unit) {
        WARN("skipped: the tests run in a systemd unit");
        return;
    }
    CHECK(identity.pidfd == nullptr);
    child.end();
    CHECK(asked.now(identity).user == "user-7");
}

TEST_CASE("A unit without its process is not confirmed, and a name service that hangs does not hold that up") {
    std::promise<void> released;
    NameService names = names_of_ids();
    names.user_of = [until = released.get_future().share()](std::uint32_t) -> Result<std::optional<std::string>> {
        until.wait();
        return std::optional<std::string>{};
    };
    Asked asked(std::move(names));
    for (int i = 0; i < 4; ++i) {
        asio::co_spawn(asked.strand(), asked.resolver().resolve(Credentials{}), [](const auto&, const auto&) {});
    }
    std::optional<Result<policy::Caller>> confirmed;
    Identity identity;
    identity.caller.unit = "billing.service";
    asio::co_spawn(asked.strand(), asked.resolver().confirm(identity),
                   [&](const std::exception_ptr&, Result<policy::Caller> answer) { confirmed = std::move(answer); });
    const auto started = std::chrono::steady_clock::now();
    while (!confirmed) asked.strand().run_one();
    CHECK(std::chrono::steady_clock::now() - started < std::chrono::seconds(3));
    CHECK(confirmed->value().unit == std::nullopt);
    released.set_value();
    asked.strand().run();
}

}  // namespace
}  // namespace hwvault::peer
