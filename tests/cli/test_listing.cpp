// SPDX-License-Identifier: LGPL-2.1-or-later
#include "cli/listing.h"

#include "tests/catch.h"

namespace hwvault::cli {
namespace {

using std::chrono::hours;

constexpr std::int64_t kNow = 1'800'000'000;
constexpr std::int64_t kDay = 86'400;

Info token_of(const std::string& account, const std::string& name = "default") {
    Info info;
    info.account = account;
    info.name = name;
    info.created_at = kNow - 100 * kDay;
    return info;
}

// ada has uid 1000, and there is nobody else.
Result<os::User> known_users(const std::string& name) {
    if (name == "ada") return os::User{.uid = 1000, .groups = {}};
    return Error{ErrorCode::kNotFound, "There is no user " + name + "."};
}

std::vector<std::string> names(const Answer<std::vector<Info>>& infos) {
    std::vector<std::string> all;
    for (const Info& info : infos.value()) all.push_back(info.account + "/" + info.name);
    return all;
}

using Names = std::vector<std::string>;

}  // namespace

TEST_CASE("an orphan is the account of a user that is gone, or that has another uid by now") {
    Info recycled = token_of("user:ada", "recycled");
    recycled.uid = 999;
    Info own = token_of("user:ada");
    own.uid = 1000;
    Info gone = token_of("user:bob");
    gone.uid = 1001;
    const Wanted orphans{.orphans = true, .unused = {}, .expiring = {}};
    CHECK(names(selected({recycled, gone, token_of("app:shop"), token_of("unit:shop.service")}, orphans, kNow, known_users)) ==
          Names{"user:ada/recycled", "user:bob/default"});
    CHECK(names(selected({own, gone}, orphans, kNow, known_users)) == Names{"user:bob/default"});
    // An older vault does not tell the uid.
    CHECK(names(selected({token_of("user:ada")}, orphans, kNow, known_users)).empty());
}

TEST_CASE("a name service that fails makes nobody an orphan") {
    const FindUser failing = [](const std::string&) -> Result<os::User> {
        return Error{ErrorCode::kInternal, "getpwnam: the directory does not answer"};
    };
    const auto answer = selected({token_of("user:ada")}, {.orphans = true, .unused = {}, .expiring = {}}, kNow, failing);
    REQUIRE_FALSE(answer.has_value());
    CHECK(answer.error().message.find("does not answer") != std::string::npos);
    CHECK(names(selected({token_of("user:ada")}, {}, kNow, failing)) == Names{"user:ada/default"});
}

TEST_CASE("unused is what was neither used nor made for so long") {
    Info used = token_of("user:ada", "used");
    used.last_used_at = kNow - 10 * kDay;
    Info once = token_of("user:ada", "once");
    once.last_used_at = kNow - 95 * kDay;
    Info fresh = token_of("user:ada", "fresh");
    fresh.created_at = kNow - kDay;
    const Wanted unused{.orphans = false, .unused = hours(24 * 90), .expiring = {}};
    CHECK(names(selected({used, once, fresh, token_of("user:ada", "never")}, unused, kNow, known_users)) ==
          Names{"user:ada/once", "user:ada/never"});
}

TEST_CASE("expiring is what lives and ends within so long") {
    Info soon = token_of("user:ada", "soon");
    soon.expires_at = kNow + 6 * kDay;
    Info later = token_of("user:ada", "later");
    later.expires_at = kNow + 8 * kDay;
    Info over = token_of("user:ada", "over");
    over.expires_at = kNow;
    Info revoked = token_of("user:ada", "revoked");
    revoked.expires_at = kNow + kDay;
    revoked.revoked = true;
    const Wanted expiring{.orphans = false, .unused = {}, .expiring = hours(24 * 7)};
    CHECK(names(selected({soon, later, over, revoked, token_of("user:ada", "never")}, expiring, kNow, known_users)) ==
          Names{"user:ada/soon"});
    // Together each must hold.
    soon.last_used_at = kNow;
    const Wanted both{.orphans = false, .unused = hours(24), .expiring = hours(24 * 7)};
    CHECK(names(selected({soon}, both, kNow, known_users)).empty());
}

}  // namespace hwvault::cli
