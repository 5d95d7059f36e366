// SPDX-License-Identifier: LGPL-2.1-or-later
//
// A child that no terminal reaches, and the process that shows what it says.
#include <csignal>
#include <cstdlib>
#include <string>
#include <string_view>

#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <sys/wait.h>
#include <unistd.h>

#include "os/apart.h"
#include "os/fd.h"
#include "tests/catch.h"

namespace hwvault::os {
namespace {

void say(int fd, std::string_view text) {
    [[maybe_unused]] const ssize_t put = ::write(fd, text.data(), text.size());
}

bool has_terminal() {
    return static_cast<bool>(Fd{::open("/dev/tty", O_RDWR | O_CLOEXEC)});
}

// Goes on apart at a terminal of its own; `work` is the child's, and gives its exit status.
class Typed {
public:
    template <class Work>
    explicit Typed(Work work) {
        int terminal = -1;
        shows_ = ::forkpty(&terminal, nullptr, nullptr, nullptr);
        REQUIRE(shows_ >= 0);
        if (shows_ == 0) ::_exit(go_on_apart() ? work() : 99);
        terminal_ = Fd{terminal};
    }
    // What the terminal shows until `word`, or until nobody has it any more.
    std::string shown(std::string_view word = "\n\n\n") {
        std::string text;
        char one = 0;
        while (text.find(word) == std::string::npos && ::read(terminal_.get(), &one, 1) == 1) text += one;
        return text;
    }
    void type(std::string_view text) { say(terminal_.get(), text); }
    // As waitpid(2) has it.
    int status() const {
        int how = 0;
        return ::waitpid(shows_, &how, 0) == shows_ ? how : -1;
    }

private:
    pid_t shows_{-1};
    Fd terminal_;
};

TEST_CASE("What the child prints is shown without control characters, and its exit status is passed on") {
    Typed typed([] {
        say(STDOUT_FILENO, "out\x1b[31m\nnot a whole");
        say(STDERR_FILENO, "err\x07\n");
        return 7;
    });
    const std::string shown = typed.shown();
    CHECK(shown.find("out [31m\r\n") != std::string::npos);
    CHECK(shown.find("err \r\n") != std::string::npos);
    CHECK(shown.find("not a whole") != std::string::npos);
    CHECK(typed.status() == 7 << 8);
}

TEST_CASE("The child has the terminal to ask at, until it leaves it, and reads nothing") {
    Typed typed([] {
        int bad = has_terminal() ? 0 : 1;
        leave_terminal();
        bad |= has_terminal() ? 2 : 0;
        char one = 0;
        bad |= ::read(STDIN_FILENO, &one, 1) == 0 ? 0 : 4;
        for (const int fd : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) bad |= ::isatty(fd) == 1 ? 8 : 0;
        return bad;
    });
    typed.shown();
    CHECK(typed.status() == 0);
}

TEST_CASE("Ctrl-C ends the command, and the child with it") {
    int both[2];
    REQUIRE(::pipe(both) == 0);
    const Fd watched{both[0]};
    Fd held{both[1]};
    Typed typed([] {
        leave_terminal();
        say(STDOUT_FILENO, "at work\n");
        for (;;) ::pause();
        return 0;
    });
    held = Fd{};  // the child has it still
    typed.shown("at work");
    typed.type("\x03");
    typed.shown();
    CHECK(WTERMSIG(typed.status()) == SIGINT);
    char none = 0;
    CHECK(::read(watched.get(), &none, 1) == 0);
}

TEST_CASE("What the child leaves behind, which holds its streams, is not waited for") {
    int both[2];
    REQUIRE(::pipe(both) == 0);
    const Fd end{both[0]};
    const Fd held{both[1]};
    Typed typed([&] {
        if (::fork() == 0) {
            ::close(both[1]);
            pollfd test_is_over{both[0], POLLIN, 0};
            ::poll(&test_is_over, 1, 60'000);
            ::_exit(0);
        }
        say(STDOUT_FILENO, "done\n");
        return 0;
    });
    const auto begin = std::chrono::steady_clock::now();
    CHECK(typed.shown().find("done") != std::string::npos);
    CHECK(typed.status() == 0);
    CHECK(std::chrono::steady_clock::now() - begin < std::chrono::seconds(30));
}

}  // namespace
}  // namespace hwvault::os
