// SPDX-License-Identifier: LGPL-2.1-or-later
#include "os/terminal.h"

#include <cerrno>

#include <fcntl.h>
#include <termios.h>
#include <unistd.h>

#include "os/fd.h"

namespace hwvault::os {
namespace {

constexpr std::uint8_t kInterrupt = 0x03;  // Ctrl-C

// Echo is off while this lives. So are signals from the keyboard, which would leave it off: Ctrl-C ends the line instead.
class HiddenInput {
public:
    explicit HiddenInput(const Fd& terminal) : terminal_(terminal) {
        ::tcgetattr(terminal_.get(), &before_);
        termios hidden = before_;
        hidden.c_lflag &= ~static_cast<tcflag_t>(ECHO | ISIG);
        hidden.c_cc[VEOL] = kInterrupt;
        ::tcsetattr(terminal_.get(), TCSAFLUSH, &hidden);
    }
    HiddenInput(const HiddenInput&) = delete;
    HiddenInput& operator=(const HiddenInput&) = delete;
    ~HiddenInput() { ::tcsetattr(terminal_.get(), TCSAFLUSH, &before_); }

private:
    const Fd& terminal_;
    termios before_{};
};

void say(const Fd& terminal, std::string_view text) {
    [[maybe_unused]] const ssize_t written = ::write(terminal.get(), text.data(), text.size());
}

}  // namespace

Result<SecretBytes> ask_secret(const std::string& prompt, std::size_t cap) {
    const Fd terminal{::open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY)};
    if (!terminal) return Error{ErrorCode::kInvalidArgument, "There is no terminal to ask at."};
    SecretBytes line(cap + 1);  // with its end
    ssize_t size = 0;
    {
        const HiddenInput hidden(terminal);
        say(terminal, prompt);
        do {
            size = ::read(terminal.get(), line.reveal_to_fill().data(), line.size());
        } while (size < 0 && errno == EINTR);
    }
    say(terminal, "\n");
    const std::uint8_t last = size > 0 ? line.reveal()[static_cast<std::size_t>(size) - 1] : kInterrupt;
    if (last == kInterrupt) return Error{ErrorCode::kInvalidArgument, "It was not given."};
    if (last != '\n') return Error{ErrorCode::kInvalidArgument, "It is longer than any that is taken."};
    line.shorten(static_cast<std::size_t>(size) - 1);
    return line;
}

}  // namespace hwvault::os
