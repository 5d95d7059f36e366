// SPDX-License-Identifier: LGPL-2.1-or-later
//
// List and Watch: what they tell, to whom, and that neither holds anybody else up.
#include <memory>
#include <optional>
#include <vector>

#include <boost/asio/post.hpp>

#include "tests/service/harness.h"

using namespace hwvault;
using namespace hwvault::service;

namespace {

void make_tokens(Harness& vault, const policy::Caller& owner, int count) {
    for (int i = 0; i < count; ++i) REQUIRE(vault.run(vault.service().create(owner, "", "t" + std::to_string(i), {})));
}

// A List of everything that goes on while the test looks.
std::shared_ptr<std::optional<Result<Page>>> begin_listing(Harness& vault) {
    return vault.begin(vault.service().list(vault.root, "*", "", 0));
}

}  // namespace

TEST_CASE("A cursor never names a token that the caller may not see, nor tells that there is one") {
    Harness vault;
    make_tokens(vault, vault.alice, 3);
    make_tokens(vault, vault.bob, 3);
    const auto page = [&](const policy::Caller& caller, const std::string& cursor, std::uint32_t limit) {
        return vault.run(vault.service().list(caller, "*", cursor, limit)).value();
    };
    CHECK(page(vault.alice, "", 2).next == "user:alice t1");
    CHECK(page(vault.alice, "", 3).next.empty());  // though bob's tokens follow
    CHECK(page(vault.alice, "user:bob t0", 1).next.empty());
    CHECK(page(vault.bob, "", 1).infos.at(0).account == "user:bob");
    CHECK(page(vault.bob, "", 1).next == "user:bob t0");
    CHECK(page(vault.root, "", 3).next == "user:alice t2");
    CHECK(page(vault.root, "user:alice t2", 3).next.empty());
}

TEST_CASE("A long List lets others have the strand, and goes on from its place when the vault has changed") {
    Harness vault;
    make_tokens(vault, vault.alice, 300);  // more than it looks at at once
    const auto listing = begin_listing(vault);
    bool others_came_first = false;
    boost::asio::post(vault.service().executor(), [&] { others_came_first = !listing->has_value(); });
    REQUIRE(vault.run(vault.service().erase(vault.alice, "", "t0")));
    vault.until([&] { return listing->has_value(); });
    CHECK(others_came_first);
    CHECK((*listing)->value().infos.size() >= 299);
    CHECK((*listing)->value().next.empty());
}

TEST_CASE("More listings of one uid than may be at work at a time are all answered") {
    Harness vault;
    make_tokens(vault, vault.alice, 300);
    std::vector<std::shared_ptr<std::optional<Result<Page>>>> listings;
    for (int i = 0; i < 5; ++i) listings.push_back(begin_listing(vault));
    vault.until([&] { return listings[4]->has_value(); });
    for (const auto& listing : listings) CHECK((*listing)->value().infos.size() == 300);
}

TEST_CASE("A vanished token is no obstacle to a cursor that names it") {
    Harness vault;
    make_tokens(vault, vault.alice, 4);
    const Page first = vault.run(vault.service().list(vault.alice, "", "", 2)).value();
    REQUIRE(vault.run(vault.service().erase(vault.alice, "", "t1")));
    const Page second = vault.run(vault.service().list(vault.alice, "", first.next, 2)).value();
    REQUIRE(second.infos.size() == 2);
    CHECK(second.infos.at(0).name == "t2");
    CHECK(second.next.empty());
}

TEST_CASE("A uid that was given to somebody else hears nothing of the former user's tokens") {
    Harness vault;
    make_tokens(vault, vault.alice, 1);
    const policy::Caller impostor = user("alice", 2000);
    auto impostors = vault.service().watch(impostor, "*").value();
    auto alices = vault.service().watch(vault.alice, "*").value();
    REQUIRE(vault.run(vault.service().create(vault.root, "user:alice", "secret-project", {})));
    REQUIRE(vault.run(vault.service().erase(vault.root, "user:alice", "secret-project")));
    REQUIRE(vault.run(vault.service().erase(vault.root, "user:alice", "t0")));  // and the account with it
    CHECK(vault.run(alices->next()).value().event == "created");
    CHECK(vault.run(alices->next()).value().event == "deleted");
    CHECK(vault.run(alices->next()).value().event == "deleted");
    vault.users().uids["alice"] = 2000;
    REQUIRE(vault.run(vault.service().create(impostor, "", "own", {})));
    CHECK(vault.run(impostors->next()).value().name == "own");  // the first that it hears of
}

TEST_CASE("The owners of an account hear that its last token was deleted") {
    Harness vault;
    vault::CreateOptions owned;
    owned.owners = std::vector<std::string>{"user:alice"};
    auto alices = vault.service().watch(vault.alice, "*").value();
    REQUIRE(vault.run(vault.service().create(vault.root, "app:billing", "", owned)));
    REQUIRE(vault.run(vault.service().erase(vault.root, "app:billing", "")));
    CHECK(vault.run(alices->next()).value().event == "created");
    CHECK(vault.run(alices->next()).value().event == "deleted");
}

TEST_CASE("A Watch without an account is of one's own, as a List is, and refused where there is none") {
    Harness vault;
    auto alices = vault.service().watch(vault.alice, "").value();
    policy::Caller nobody;
    CHECK(vault.service().watch(nobody, "").error().code == ErrorCode::kInvalidArgument);
    CHECK(vault.run(vault.service().list(nobody, "", "", 0)).error().code == ErrorCode::kInvalidArgument);
    CHECK(vault.service().watch(nobody, "*"));
    CHECK(vault.run(vault.service().list(nobody, "*", "", 0)).value().infos.empty());
    CHECK(vault.service().watch(vault.alice, "no account").error().code == ErrorCode::kInvalidArgument);
}

TEST_CASE("The last use of a token is forgotten with it") {
    Harness vault;
    for (int i = 0; i < 3; ++i) {
        vault.get(vault.alice);
        CHECK(vault.service().uses_remembered() == 1);
        REQUIRE(vault.run(vault.service().erase(vault.alice, "", "")));
        CHECK(vault.service().uses_remembered() == 0);
    }
}

TEST_CASE("Tokens with as long scopes as there may be verify, though the verify index is full of text before it is of tokens") {
    Harness vault;
    vault::CreateOptions options;
    options.scopes.emplace();
    for (int i = 10; i < 42; ++i) options.scopes->push_back(std::string(62, 's') + std::to_string(i));
    // The smallest table has room for the text of 60.
    for (int i = 0; i < 70; ++i) {
        const std::string name = "t" + std::to_string(i);
        REQUIRE(vault.run(vault.service().create(vault.alice, "", name, options)));
        CHECK(vault.active(vault.get(vault.alice, "", name)));
    }
}

TEST_CASE("A store's disk that hangs keeps no Retrieve beyond the deadline, and the next is answered when it goes on") {
    Harness vault;
    REQUIRE(vault.run(vault.service().import(vault.alice, "", "npm", secret("theirs"), {})));
    std::promise<void> store = vault.hold_store();
    const auto retrieved = vault.begin(vault.service().retrieve({vault.alice}, "", "npm"));
    vault.until([&] { return retrieved->has_value(); });
    REQUIRE_FALSE(**retrieved);
    CHECK((*retrieved)->error().code == ErrorCode::kBusy);
    CHECK((*retrieved)->error().message.find("disk") != std::string::npos);
    store.set_value();
    CHECK(vault.get(vault.alice, "", "npm") == "theirs");
}
