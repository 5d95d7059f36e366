// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The reason, said where the unit's own journal has it: once, whole, and only of a unit that was asked for by itself.
#include <algorithm>
#include <list>

#include "daemon/doors/credential/notices.h"
#include "tests/doors/credential/harness.h"

using namespace hwvault;
using namespace hwvault::tests;
using doors::credential::Door;
using doors::credential::notice_of;
using doors::credential::Refusal;
using std::chrono::milliseconds;

namespace {

constexpr milliseconds kLongEnough{300};  // for a notice that must not come

Door::Options telling(const os::TestFolder& folder, const std::string& name = "denied") {
    Door::Options options = mapped_to(name, short_limits());
    options.notice_socket = folder / "notice";
    return options;
}

std::size_t lines_of(std::string_view text) {
    return static_cast<std::size_t>(std::count(text.begin(), text.end(), '\n'));
}

}  // namespace

TEST_CASE("the unit's journal is told what, why, and what to do") {
    const os::TestFolder folder;
    const NoticeSocket socket(folder / "notice");
    Opened opened(telling(folder));
    CHECK(is_refusal(opened.ask().read_to_end()));
    const auto notice = socket.next();
    REQUIRE(notice);
    CHECK(notice->starts_with("MESSAGE=The credential api-token of billing.service was refused: AccessDenied: This account"
                              " is not yours. `hwvault policy explain --unit billing.service retrieve app:billing/denied`"
                              " says by which rule.\nPRIORITY=3\nSYSLOG_IDENTIFIER=hwvaultd\nMESSAGE_ID="));
    CHECK(notice->find("\nOBJECT_SYSTEMD_UNIT=billing.service\nHWVAULT_CREDENTIAL=api-token\nHWVAULT_ACCOUNT=app:billing\n"
                       "HWVAULT_NAME=denied\nHWVAULT_ERROR=AccessDenied\n") != std::string::npos);
    CHECK(lines_of(*notice) == 9);
    CHECK_FALSE(socket.next(kLongEnough));
}

TEST_CASE("no unit is told what another process did in its name") {
    const os::TestFolder folder;
    const NoticeSocket socket(folder / "notice");
    Opened opened(telling(folder));
    CHECK(is_refusal(opened.ask("api-token", "shop.service").read_to_end()));
    CHECK(is_refusal(SystemdClient(opened.path(), "").read_to_end()));
    CHECK_FALSE(socket.next(kLongEnough));
}

TEST_CASE("a kernel that does not say which process asks is named as the reason") {
    const os::TestFolder folder;
    const NoticeSocket socket(folder / "notice");
    Door::Options options = telling(folder, "ci");
    options.kernel_tells_process = false;
    Opened opened(std::move(options));
    CHECK(is_refusal(opened.ask().read_to_end()));
    const auto notice = socket.next();
    REQUIRE(notice);
    CHECK(notice->find("Linux 6.5") != std::string::npos);
    CHECK(opened.service.calls_of("Retrieve") == 0);
}

TEST_CASE("whatever an error says, a message stays what it is") {
    const Refusal refusal{.place = {"a.service", "k"},
                          .token = {"unit:a.service", "default"},
                          .why = {ErrorCode::kInternal, "one\nOBJECT_SYSTEMD_UNIT=b.service\ntwo"}};
    const std::string notice = notice_of(refusal);
    CHECK(lines_of(notice) == 9);
    CHECK(notice.find("b.service") == std::string::npos);
    CHECK(notice.starts_with("MESSAGE=The credential k of a.service was refused: Internal.\n"));
}

TEST_CASE("many reasons are told, a few at a time, of one unit no more than may wait, and nobody waits for who does not read them") {
    const os::TestFolder folder;
    const NoticeSocket socket(folder / "notice");
    Opened opened(telling(folder));
    std::list<SystemdClient> units;
    for (int i = 0; i < 60; ++i) units.push_back(opened.ask());
    for (auto& unit : units) CHECK(is_refusal(unit.read_to_end()));
    constexpr auto kLeast = static_cast<std::size_t>(doors::credential::kMaxNoticesOfUnit);
    for (std::size_t told = 0; told < kLeast; ++told) REQUIRE(socket.next());
    std::size_t more = 0;  // had been sent already when the last ones came
    while (socket.next(kLongEnough)) ++more;
    CHECK(more <= doors::credential::kMaxNoticesAtOnce + 2);
}

TEST_CASE("a socket that is not there, or says nothing, changes nothing for the unit") {
    const os::TestFolder folder;
    Opened opened(telling(folder));
    CHECK(is_refusal(opened.ask().read_to_end()));
    CHECK(is_refusal(opened.ask().read_to_end()));
}
