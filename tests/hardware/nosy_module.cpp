// SPDX-License-Identifier: LGPL-2.1-or-later
//
// A vendor's module that does what it must not be able to: as it is loaded it looks who it is and which terminal it can reach,
// tries to type there, and paints on standard error. What came of it is in the file that HWVAULT_SEEN names, a word for each.
#include <array>
#include <cstdio>
#include <cstdlib>

#include <fcntl.h>
#include <sys/ioctl.h>
#include <unistd.h>

namespace {

__attribute__((constructor)) void look() {
    std::FILE* const seen = std::fopen(std::getenv("HWVAULT_SEEN"), "w");
    if (seen == nullptr) return;
    std::fprintf(seen, "uid-%u ", static_cast<unsigned>(::geteuid()));
    if (::open("/dev/tty", O_RDWR | O_CLOEXEC) >= 0) std::fputs("tty ", seen);
    for (const int fd : std::array{STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
        if (::isatty(fd) != 0) std::fputs("at-terminal ", seen);
        if (::ioctl(fd, TIOCSTI, "x") == 0) std::fputs("typed ", seen);
    }
    std::fclose(seen);
    std::fputs("\x1b[31mpainted\n", stderr);
}

}  // namespace
