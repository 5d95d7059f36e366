// SPDX-License-Identifier: LGPL-2.1-or-later
#include "os/apart.h"

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <string>
#include <string_view>
#include <utility>

#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "foundation/one_line.h"
#include "os/fd.h"

namespace hwvault::os {
namespace {

constexpr std::size_t kChunk = 4 << 10;
constexpr std::size_t kMaxLine = 16 << 10;  // bytes; a longer one is shown in parts
constexpr std::size_t kPipe = 64 << 10;     // bytes that wait in a pipe at most, pipe(7)

// What the child says on one of its streams.
class Speech {
public:
    static Result<Speech> make(int shown_at) {
        int ends[2];
        if (::pipe2(ends, O_CLOEXEC) != 0) return errno_error("pipe2", errno);
        return Speech(Fd{ends[0]}, Fd{ends[1]}, shown_at);
    }

    // -1 once it has ended.
    [[nodiscard]] int fd() const { return heard_.get(); }

    void listen() {
        said_ = Fd{};
        ::fcntl(heard_.get(), F_SETFL, O_NONBLOCK);
    }
    void speak() const { ::dup2(said_.get(), shown_at_); }

    // What there is of it, a chunk at most.
    void show_some() {
        std::array<char, kChunk> chunk;
        const ssize_t got = ::read(heard_.get(), chunk.data(), chunk.size());
        if (got < 0 && (errno == EINTR || errno == EAGAIN)) return;
        if (got <= 0) {
            heard_ = Fd{};
            return;
        }
        line_.append(chunk.data(), static_cast<std::size_t>(got));
        for (std::size_t end; (end = line_.find('\n')) != std::string::npos;) {
            show(one_line(std::string_view(line_).substr(0, end)) + "\n");
            line_.erase(0, end + 1);
        }
        if (line_.size() > kMaxLine) show_rest();
    }
    void show_rest() {
        show(one_line(line_));
        line_.clear();
    }

private:
    Speech(Fd heard, Fd said, int shown_at) : heard_(std::move(heard)), said_(std::move(said)), shown_at_(shown_at) {}

    void show(std::string_view text) const {
        while (!text.empty()) {
            const ssize_t put = ::write(shown_at_, text.data(), text.size());
            if (put < 0 && errno == EINTR) continue;
            if (put <= 0) return;  // nobody looks any more
            text.remove_prefix(static_cast<std::size_t>(put));
        }
    }

    Fd heard_;
    Fd said_;
    int shown_at_;
    std::string line_;  // whose end is to come
};

// Until the child ends, not until its pipes do: what a module leaves behind may hold them open.
int show_until_end(pid_t child, Speech& output, Speech& errors) {
    const Fd running{static_cast<int>(::syscall(SYS_pidfd_open, child, 0))};
    for (bool ended = false; !ended && running;) {
        std::array<pollfd, 3> waiting{{{running.get(), POLLIN, 0}, {output.fd(), POLLIN, 0}, {errors.fd(), POLLIN, 0}}};
        if (::poll(waiting.data(), waiting.size(), -1) < 0) continue;
        ended = waiting[0].revents != 0;
        if (waiting[1].revents != 0) output.show_some();
        if (waiting[2].revents != 0) errors.show_some();
    }
    int status = 0;
    while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
    }
    for (Speech* const speech : {&output, &errors}) {
        for (std::size_t shown = 0; speech->fd() >= 0 && shown < kPipe; shown += kChunk) speech->show_some();
        speech->show_rest();
    }
    constexpr int kKilled = 128;  // as a shell has it
    return WIFEXITED(status) ? WEXITSTATUS(status) : kKilled + WTERMSIG(status);
}

}  // namespace

Result<void> go_on_apart() {
    HWVAULT_TRY(Speech output, Speech::make(STDOUT_FILENO));
    HWVAULT_TRY(Speech errors, Speech::make(STDERR_FILENO));
    const pid_t parent = ::getpid();
    const pid_t child = ::fork();
    if (child < 0) return errno_error("fork", errno);
    if (child > 0) {
        output.listen();
        errors.listen();
        ::_exit(show_until_end(child, output, errors));
    }
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (::getppid() != parent) ::_exit(EXIT_FAILURE);  // it ended before the kernel was told
    const Fd nothing{::open("/dev/null", O_RDONLY | O_CLOEXEC)};
    if (!nothing || ::dup2(nothing.get(), STDIN_FILENO) < 0) return errno_error("opening /dev/null", errno);
    output.speak();
    errors.speak();
    return {};
}

void leave_terminal() {
    ::setsid();  // which fails for a process that leads a group, as no child does
}

}  // namespace hwvault::os
