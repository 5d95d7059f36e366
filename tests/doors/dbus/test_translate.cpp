// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Between the contract's D-Bus types and ours, without a bus.
#include <string>
#include <vector>

#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "daemon/doors/dbus/translate.h"
#include "tests/catch.h"
#include "tests/doors/fake_service.h"

namespace hwvault::doors::dbus {
namespace {

using tests::FakeService;
using Strings = std::vector<std::string>;

Strings keys_of(const Dictionary& dictionary) {
    Strings keys;
    for (const auto& [key, value] : dictionary) keys.push_back(key);
    return keys;
}

template <class T>
sdbus::Variant variant(const T& value) {
    return sdbus::Variant(value);
}

TEST_CASE("A full info has all that applies") {
    auto info = FakeService::full("", "");
    const Strings always{"account", "changed_at", "created_at",   "description", "generation",
                         "id",      "last_used_at", "last_used_by", "name", "origin", "scopes", "uid"};
    CHECK(keys_of(full_dictionary(info)) == always);
    info.expires_at = 5;
    info.rollback_protected = false;
    info.revoked = true;
    info.origin = vault::Origin::kImported;
    const auto dictionary = full_dictionary(info);
    CHECK(dictionary.size() == always.size() + 3);
    CHECK(dictionary.at("expires_at").get<std::uint64_t>() == 5);
    CHECK_FALSE(dictionary.at("rollback_protected").get<bool>());
    CHECK(dictionary.at("revoked").get<bool>());
    CHECK(dictionary.at("origin").get<std::string>() == "imported");
    CHECK(dictionary.at("last_used_by").get<std::string>() == "unit:billing.service");
    CHECK(dictionary.at("uid").get<std::uint64_t>() == 1'000);
    const auto of_app = full_dictionary(FakeService::full("app:billing", ""));
    CHECK(of_app.at("owners").get<Strings>() == Strings{"group:billing", "user:alice"});
    CHECK_FALSE(of_app.contains("uid"));
    info.last_used_by.clear();
    CHECK_FALSE(full_dictionary(info).contains("last_used_by"));
}

TEST_CASE("Every error has its name on the bus") {
    const auto error = error_of({ErrorCode::kHardwareLocked, "The PIN was wrong. Change the credential."});
    CHECK(error.getName() == "org.hwvault.Error.HardwareLocked");
    CHECK(error.getMessage() == "The PIN was wrong. Change the credential.");
}

TEST_CASE("The bus's credentials are taken as far as it gives them") {
    Dictionary answer;
    CHECK(credentials_of_bus(answer).error().code == ErrorCode::kAccessDenied);
    answer.emplace("UnixUserID", variant(std::string("0")));
    CHECK(credentials_of_bus(answer).error().code == ErrorCode::kAccessDenied);

    answer.clear();
    answer.emplace("UnixUserID", variant(std::uint32_t{1000}));
    const auto bare = credentials_of_bus(answer);
    REQUIRE(bare.has_value());
    CHECK(bare->uid == 1000);
    CHECK(bare->gids.empty());
    CHECK(bare->pid == 0);
    CHECK_FALSE(bare->pidfd);

    answer.emplace("UnixGroupIDs", variant(std::vector<std::uint32_t>{100, 27}));
    answer.emplace("ProcessID", variant(std::uint32_t{4711}));
    answer.emplace("LinuxSecurityLabel", variant(std::vector<std::uint8_t>{1, 2}));
    const int pidfd = static_cast<int>(::syscall(SYS_pidfd_open, ::getpid(), 0));
    REQUIRE(pidfd >= 0);
    answer.emplace("ProcessFD", variant(sdbus::UnixFd{pidfd, sdbus::adopt_fd}));
    const auto whole = credentials_of_bus(answer);
    REQUIRE(whole.has_value());
    CHECK(whole->gids == std::vector<std::uint32_t>{100, 27});
    CHECK(whole->pid == 4711);
    REQUIRE(whole->pidfd);
    CHECK((::fcntl(whole->pidfd->get(), F_GETFD) & FD_CLOEXEC) != 0);
}

TEST_CASE("A descriptor that is taken over does not pass to children") {
    int ends[2];
    REQUIRE(::pipe(ends) == 0);
    const os::Fd other{ends[1]};
    const auto taken = take_descriptor(sdbus::UnixFd{ends[0], sdbus::adopt_fd});
    CHECK(taken.get() == ends[0]);
    CHECK((::fcntl(taken.get(), F_GETFD) & FD_CLOEXEC) != 0);
}

}  // namespace
}  // namespace hwvault::doors::dbus
