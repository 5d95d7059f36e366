// SPDX-License-Identifier: LGPL-2.1-or-later
#include "tests/contract/swtpm.h"

#include <chrono>
#include <csignal>
#include <cstdlib>
#include <stdexcept>

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "os/run.h"

namespace hwvault::hardware::testing {

Swtpm::Swtpm() {
    std::string pattern = (std::filesystem::temp_directory_path() / "hwvault-swtpm-XXXXXX").string();
    if (::mkdtemp(pattern.data()) == nullptr) throw std::runtime_error("mkdtemp " + pattern);
    folder_ = pattern;
    start();
}

Swtpm::~Swtpm() {
    stop();
    std::error_code ignored;
    std::filesystem::remove_all(folder_, ignored);
}

void Swtpm::start() {
    const auto socket = folder_ / "socket";
    const std::string state = "dir=" + folder_.string();
    const std::string server = "type=unixio,path=" + socket.string();
    const std::string control = "type=unixio,path=" + socket.string() + ".ctrl";
    std::filesystem::remove(socket);
    process_ = ::fork();
    if (process_ == 0) {
        ::prctl(PR_SET_PDEATHSIG, SIGKILL);
        const int nowhere = ::open("/dev/null", O_RDWR);
        for (const int fd : {0, 1, 2}) ::dup2(nowhere, fd);
        ::execlp("swtpm", "swtpm", "socket", "--tpm2", "--tpmstate", state.c_str(), "--server", server.c_str(), "--ctrl",
                 control.c_str(), "--flags", "startup-clear", nullptr);
        ::_exit(127);
    }
    if (!os::wait_for_socket(socket, std::chrono::seconds(10))) throw std::runtime_error("swtpm did not come up");
}

void Swtpm::stop() {
    if (process_ <= 0) return;
    ::kill(process_, SIGKILL);
    ::waitpid(process_, nullptr, 0);
    process_ = -1;
}

void Swtpm::pause() {
    ::kill(process_, SIGSTOP);
}

void Swtpm::resume() {
    ::kill(process_, SIGCONT);
}

}  // namespace hwvault::hardware::testing
