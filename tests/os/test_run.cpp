// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Programs that run beside this one: they end with it, and one that cannot be started is told at once.
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include "os/fd.h"
#include "os/run.h"
#include "tests/catch.h"

namespace hwvault::os {
namespace {

constexpr int kPatience = 10'000;  // milliseconds

// Whether all that hold the other end of the pipe are gone.
bool ends(const Fd& pipe) {
    pollfd waiting{pipe.get(), POLLIN, 0};
    char none = 0;
    return ::poll(&waiting, 1, kPatience) == 1 && ::read(pipe.get(), &none, 1) == 0;
}

TEST_CASE("What runs beside a process ends with it, also when that ends at once") {
    for (int i = 0; i < 20; ++i) {
        int both[2];
        REQUIRE(::pipe(both) == 0);  // inherited: whoever lives on holds it open
        const Fd watched{both[0]};
        Fd held{both[1]};
        const pid_t starter = ::fork();
        if (starter == 0) ::_exit(run_beside({"sleep", {"1000"}, {}}) ? 0 : 1);
        held = Fd{};
        int status = 0;
        ::waitpid(starter, &status, 0);
        CHECK(status == 0);
        REQUIRE(ends(watched));
    }
}

TEST_CASE("A program that is not there is told at once") {
    CHECK_FALSE(run_beside({"hwvault-no-such-program", {}, {}}));
}

}  // namespace
}  // namespace hwvault::os
