// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The grammar of names, over corpora of good and bad ones.
#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/vault/names.h"
#include "tests/catch.h"

namespace hwvault::vault {
namespace {

using namespace std::string_literals;

// What no name of any kind may hold: each is tried at the beginning, in the middle and at the end of a good one.
const std::vector<std::string> kNeverInAName{
    "\0"s, "\n", "\r", "\t", "\x1b[2J", "\x7f", " ", "/", "../", "*", "?", "[a]", "{a}", "~", "\"", "'", "`", "$(id)",
    ";", "|", "&", "<", ">", "%", "#", "!", "=", ",", "\xC3\xA4", "\xD0\xB0", "\xE2\x80\xAE", "\xF0\x9F\x94\x91",
    "\xFF", "\xC0\xAF", "\xC2\x85"};

std::vector<std::string> spoilt(const std::string& good) {
    std::vector<std::string> bad;
    for (const std::string& piece : kNeverInAName) {
        bad.push_back(piece + good);
        bad.push_back(good + piece);
        bad.push_back(good.substr(0, good.size() / 2) + piece + good.substr(good.size() / 2));
    }
    return bad;
}

template <class T>
void check_refused(const Result<T>& result, const std::string& name) {
    INFO("name: " << name);
    REQUIRE_FALSE(result.has_value());
    CHECK(result.error().code == ErrorCode::kInvalidArgument);
    // A sentence that says what is allowed, and repeats nothing that could disturb a terminal.
    CHECK(result.error().message.ends_with('.'));
    CHECK(std::ranges::all_of(result.error().message, [](char c) { return c >= ' ' && c <= '~'; }));
}

TEST_CASE("A token's name is taken as it is, and an empty one is default") {
    const std::string name =
        GENERATE(as<std::string>{}, "a", "0", "default", "deploy", "npm-publish", "ci.main_2", "a..b", "a-", "9.9",
                 std::string(kMaxTokenNameSize, 'x'));
    INFO(name);
    const auto parsed = TokenName::parse(name);
    REQUIRE(parsed);
    CHECK(parsed->text() == name);
    CHECK(parsed->is_default() == (name == "default"));
    CHECK(TokenName::parse("")->is_default());
    CHECK(TokenName().text() == "default");
}

TEST_CASE("What is outside the grammar of token names is refused") {
    std::vector<std::string> bad = spoilt("deploy");
    bad.insert(bad.end(), {".", "..", "-a", "_a", ".a", "A", "Deploy", "a:b", "a@b", "a+b", "a\\b",
                           std::string(kMaxTokenNameSize + 1, 'x'), std::string(1 << 20, 'x')});
    for (const std::string& name : bad) check_refused(TokenName::parse(name), name);
}

TEST_CASE("An account's name is taken as it is, with its kind and its local part") {
    struct Example {
        std::string text;
        AccountKind kind;
        std::string local;
    };
    const auto example = GENERATE(
        Example{"user:alice", AccountKind::kUser, "alice"}, Example{"user:_apt", AccountKind::kUser, "_apt"},
        Example{"user:host$", AccountKind::kUser, "host$"}, Example{"user:a.b@example.org", AccountKind::kUser, "a.b@example.org"},
        Example{"user:EXAMPLE\\alice", AccountKind::kUser, "EXAMPLE\\alice"},
        Example{"user:0day", AccountKind::kUser, "0day"},
        Example{"user:" + std::string(kMaxUserNameSize, 'u'), AccountKind::kUser, std::string(kMaxUserNameSize, 'u')},
        Example{"unit:billing.service", AccountKind::kUnit, "billing.service"},
        Example{"unit:getty@tty1.service", AccountKind::kUnit, "getty@tty1.service"},
        Example{"unit:a\\x2db:c_d-e.service", AccountKind::kUnit, "a\\x2db:c_d-e.service"},
        Example{"unit:" + std::string(kMaxUnitNameSize - 8, 'u') + ".service", AccountKind::kUnit,
                std::string(kMaxUnitNameSize - 8, 'u') + ".service"},
        Example{"app:billing", AccountKind::kApp, "billing"}, Example{"app:7", AccountKind::kApp, "7"},
        Example{"app:" + std::string(kMaxTokenNameSize, 'a'), AccountKind::kApp, std::string(kMaxTokenNameSize, 'a')});
    INFO(example.text);
    const auto parsed = AccountName::parse(example.text);
    REQUIRE(parsed);
    CHECK(parsed->text() == example.text);
    CHECK(parsed->kind() == example.kind);
    CHECK(parsed->local() == example.local);
}

TEST_CASE("What is outside the grammar of accounts is refused") {
    std::vector<std::string> bad{
        "", ":", "user", "user:", "unit:", "app:", "alice", "User:alice", "USER:alice", " user:alice", "users:alice",
        "group:staff", "root:x", "user:user:alice", "app:app:x",
        "user:-alice", "user:.alice", "user:..", "user:@a", "user:1000", "user:0", "user:$", "user:a$b", "user:a:b",
        "user:" + std::string(kMaxUserNameSize + 1, 'u'),
        "unit:billing", "unit:billing.socket", "unit:billing.service.d", "unit:.service", "unit:..service",
        "unit:@.service", "unit:getty@.service", "unit:service", "unit:billing.SERVICE", "unit:system.slice/x.service",
        "unit:" + std::string(kMaxUnitNameSize - 7, 'u') + ".service",
        "app:Billing", "app:.", "app:..", "app:-x", "app:x/y", "app:" + std::string(kMaxTokenNameSize + 1, 'a')};
    for (const char* good : {"alice", "billing.service", "billing"}) {
        const std::string kind = std::string_view(good) == "alice" ? "user:" : std::string_view(good) == "billing" ? "app:" : "unit:";
        for (const std::string& name : spoilt(good)) bad.push_back(kind + name);
    }
    // `$` may end a user's name and no other.
    std::erase_if(bad, [](const std::string& name) { return AccountName::parse(name) && name == "user:alice$"; });
    for (const std::string& name : bad) check_refused(AccountName::parse(name), name);
}

TEST_CASE("A user's account is made of a user's name, and of nothing that would leave the kind") {
    CHECK(AccountName::of_user("alice")->text() == "user:alice");
    check_refused(AccountName::of_user(""), "");
    check_refused(AccountName::of_user("1000"), "1000");
    check_refused(AccountName::of_user("a:b"), "a:b");
}

TEST_CASE("Accounts are ordered by their text") {
    CHECK(*AccountName::parse("app:z") < *AccountName::parse("unit:a.service"));
    CHECK(*AccountName::parse("user:a") == *AccountName::parse("user:a"));
    CHECK(*AccountName::parse("user:a") != *AccountName::parse("user:b"));
}

TEST_CASE("Scopes become a sorted set") {
    const auto scopes = checked_scopes({"write", "read:repo/*", "write", "Admin"});
    REQUIRE(scopes);
    CHECK(*scopes == std::vector<std::string>{"Admin", "read:repo/*", "write"});
    CHECK(checked_scopes({})->empty());
}

TEST_CASE("Scopes outside the grammar, or too many, are refused") {
    for (const std::string& scope : {""s, "*"s, "-a"s, "a b"s, "a\n"s, "a\0b"s, "\xC3\xA4"s, std::string(kMaxScopeSize + 1, 's')}) {
        check_refused(checked_scopes({"good", scope}), scope);
    }
    std::vector<std::string> scopes;
    for (std::size_t i = 0; i < kMaxScopes; ++i) scopes.push_back("s" + std::to_string(i));
    CHECK(checked_scopes(scopes));
    scopes.emplace_back("one-more");
    CHECK_FALSE(checked_scopes(scopes));
}

TEST_CASE("Owners are users, groups and units, and become a sorted set") {
    const auto owners = checked_owners({"user:bob", "group:ops", "unit:web.service", "user:bob"});
    REQUIRE(owners);
    CHECK(*owners == std::vector<std::string>{"group:ops", "unit:web.service", "user:bob"});
    for (const char* owner : {"", "bob", "app:x", "group:", "group:a b", "group:*", "user:*", "unit:*.service", "unit:web", "*"}) {
        check_refused(checked_owners({owner}), owner);
    }
    check_refused(checked_owners(std::vector<std::string>(kMaxOwners + 1, "user:bob")), "");
}

TEST_CASE("A description is one line of UTF-8") {
    for (const std::string& good : {""s, "deploys the site"s, "Schl\xC3\xBCssel \xF0\x9F\x94\x91 100 %"s,
                                    std::string(kMaxDescriptionSize, 'd')}) {
        INFO(good);
        CHECK(checked_description(good) == good);
    }
    const std::vector<std::string> bad{
        "a\nb", "a\0b"s, "\x1b[31mred", "\x7f", "\xC2\x85", "\xE2\x80\xA8", "\xE2\x80\xAE" "turned", "\xE2\x81\xA6",
        "\xFF", "\x80", "\xC0\x80", "\xC3", "\xE2\x82", "\xED\xA0\x80", "\xF4\x90\x80\x80", "\xF8\x88\x80\x80\x80",
        "\xE0\x80\x80", "\xF0\x80\x80\x80", "\xC3(", std::string(kMaxDescriptionSize + 1, 'd')};
    for (const std::string& description : bad) check_refused(checked_description(description), description);
}

TEST_CASE("Nobody and dynamic users have no account, and their neighbours do") {
    for (const std::uint32_t uid : {65534u, 61184u, 65000u, 65519u, 0xFFFFFFFFu}) CHECK_FALSE(uid_has_account(uid));
    for (const std::uint32_t uid : {0u, 1000u, 61183u, 65520u, 65533u, 65535u}) CHECK(uid_has_account(uid));
}

}  // namespace
}  // namespace hwvault::vault
