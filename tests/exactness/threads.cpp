// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Threads that verify tokens while others make, rotate, revoke and delete them, on a vault that tests/system/exactness.py kills,
// restarts and gives other rules meanwhile. They go on until the input ends; then all that was answered is judged, and what was
// found is the output: a JSON object whose `wrong` says what was not linearizable.
//
//     exactness SOCKET                    16 threads verify, half of them in process and half over sockets; 4 change
//     exactness SOCKET --permitted UID    as this user, who is told of permissions on the input:
//         token TEXT | granted ASKED ANSWERED | withdrawn ASKED ANSWERED, in nanoseconds of CLOCK_MONOTONIC
#include <iostream>
#include <limits>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include <grp.h>
#include <unistd.h>

#include "tests/exactness/changer.h"
#include "tests/exactness/permitted.h"
#include "tests/exactness/verifier.h"

namespace {

using namespace hwvault::exactness;

boost::json::object verify_and_change(const std::string& address) {
    Run run(address);
    const Client shared = open_client(address);
    std::vector<std::unique_ptr<Verifier>> verifiers;
    std::vector<std::unique_ptr<Changer>> changers;
    for (unsigned i = 0; i < 8; ++i) verifiers.push_back(std::make_unique<InProcess>(run, 2 * i, shared.get()));
    for (unsigned i = 0; i < 8; ++i) verifiers.push_back(std::make_unique<OverSocket>(run, 2 * i + 1));
    for (unsigned i = 0; i < 4; ++i) changers.push_back(std::make_unique<Changer>(run, i));
    {
        std::vector<std::jthread> threads;
        for (const auto& verifier : verifiers) threads.emplace_back([&] { verifier->run(); });
        for (const auto& changer : changers) threads.emplace_back([&] { changer->run(); });
        std::cin.ignore(std::numeric_limits<std::streamsize>::max());
        run.over = true;
    }
    for (const auto& verifier : verifiers) verifier->judge();
    return run.report();
}

void become(uid_t uid) {
    if (::setgroups(0, nullptr) != 0 || ::setresgid(uid, uid, uid) != 0 || ::setresuid(uid, uid, uid) != 0) {
        throw std::runtime_error("only root can become another user");
    }
}

}  // namespace

int main(int count, char** arguments) {
    const std::vector<std::string> words(arguments + 1, arguments + count);
    if (words.size() == 1) {
        std::cout << verify_and_change(words[0]) << '\n';
    } else if (words.size() == 3 && words[1] == "--permitted") {
        become(static_cast<uid_t>(std::stoul(words[2])));
        std::cout << Permitted(words[0]).follow() << '\n';
    } else {
        std::cerr << "usage: exactness SOCKET [--permitted UID]\n";
        return 2;
    }
    return 0;
}
