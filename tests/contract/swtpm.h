// SPDX-License-Identifier: LGPL-2.1-or-later
//
// A software TPM of a test's own: the program swtpm, on a Unix socket, its state in a folder that goes with it. A
// stopped one keeps its state and is the same TPM when it is started again, after a reset.
#pragma once

#include <filesystem>
#include <string>

#include <sys/types.h>

namespace hwvault::hardware::testing {

class Swtpm {
public:
    Swtpm();  // running; throws when it does not come up
    Swtpm(const Swtpm&) = delete;
    Swtpm& operator=(const Swtpm&) = delete;
    ~Swtpm();

    void start();
    void stop();  // at once, as by a power failure
    void pause();  // it answers nothing more until resume()
    void resume();

    [[nodiscard]] std::filesystem::path socket() const { return folder_ / "socket"; }
    [[nodiscard]] std::string tcti() const { return "swtpm:path=" + socket().string(); }

private:
    std::filesystem::path folder_;
    pid_t process_{-1};
};

}  // namespace hwvault::hardware::testing
