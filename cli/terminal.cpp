// SPDX-License-Identifier: LGPL-2.1-or-later
#include "cli/terminal.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <system_error>

#include <fcntl.h>
#include <poll.h>
#include <termios.h>
#include <unistd.h>

#include "crypto/base64.h"
#include "os/fd.h"

namespace hwvault::cli {
namespace {

constexpr std::size_t kFirstBuffer = 4'096;
constexpr std::size_t kMaxTokenInput = 4'096;  // far above any token; a terminal's own longest line
// What xterm accepts in one sequence; terminals drop longer ones without a word.
constexpr std::size_t kMaxClipboardText = 74'994;

Failure refused(std::string sentence) {
    return {HWVAULT_ERROR_INVALID_ARGUMENT, std::move(sentence)};
}

Failure failed(const std::string& call) {
    return {HWVAULT_ERROR_INTERNAL, call + ": " + std::generic_category().message(errno) + "."};
}

// Up to `cap` + 1 bytes, so that the caller sees when there were more. With `line`, ends early at a newline, and waits
// under that signal mask: an interrupt that came just before the wait ends it as one that comes during it.
Answer<SecretBytes> read_all(std::size_t cap, const sigset_t* line) {
    SecretBytes content(std::min(kFirstBuffer, cap + 1));
    std::size_t size = 0;
    for (;;) {
        const auto space = content.reveal_to_fill().subspan(size);
        pollfd input{STDIN_FILENO, POLLIN, 0};
        if (line != nullptr && ::ppoll(&input, 1, nullptr, line) < 0) return failed("Reading standard input");
        const ssize_t got = ::read(STDIN_FILENO, space.data(), space.size());
        if (got < 0) return failed("Reading standard input");
        size += static_cast<std::size_t>(got);
        const bool whole_line = line != nullptr && size > 0 && content.reveal()[size - 1] == '\n';
        if (got == 0 || whole_line || size == cap + 1) break;
        if (size < content.size()) continue;
        SecretBytes larger(std::min(2 * size, cap + 1));
        std::copy_n(content.reveal().begin(), size, larger.reveal_to_fill().begin());
        content = std::move(larger);
    }
    content.shorten(size);
    return content;
}

// Echo is off while this lives. An interrupt ends the read, so that echo is put back before the process goes.
class HiddenInput {
public:
    HiddenInput() {
        ::tcgetattr(STDIN_FILENO, &before_);
        termios hidden = before_;
        hidden.c_lflag &= ~static_cast<tcflag_t>(ECHO);
        struct sigaction interrupt {};
        interrupt.sa_handler = [](int) {};
        ::sigaction(SIGINT, &interrupt, &before_interrupt_);
        sigset_t blocked;
        ::sigemptyset(&blocked);
        ::sigaddset(&blocked, SIGINT);
        ::pthread_sigmask(SIG_BLOCK, &blocked, &before_mask_);  // but while it waits
        ::tcsetattr(STDIN_FILENO, TCSAFLUSH, &hidden);
    }
    HiddenInput(const HiddenInput&) = delete;
    HiddenInput& operator=(const HiddenInput&) = delete;
    ~HiddenInput() {
        ::tcsetattr(STDIN_FILENO, TCSAFLUSH, &before_);
        ::pthread_sigmask(SIG_SETMASK, &before_mask_, nullptr);
        ::sigaction(SIGINT, &before_interrupt_, nullptr);
        std::fputs("\n", stderr);
    }

    [[nodiscard]] const sigset_t& mask_to_wait() const { return before_mask_; }

private:
    termios before_{};
    struct sigaction before_interrupt_ {};
    sigset_t before_mask_{};
};

void drop_newline(SecretBytes& text) {
    for (const char ending : {'\n', '\r'}) {
        if (!text.empty() && text.reveal().back() == ending) text.shorten(text.size() - 1);
    }
}

}  // namespace

bool is_terminal(int fd) {
    return ::isatty(fd) == 1;
}

Answer<SecretBytes> read_content(std::size_t cap) {
    if (is_terminal(STDIN_FILENO)) {
        return refused("The secret comes from standard input: `hwvault import NAME < FILE`, or through a pipe.");
    }
    HWVAULT_TRY(SecretBytes content, read_all(cap, nullptr));
    if (content.empty()) return refused("Standard input is empty; a secret has 1 byte to 1 MiB.");
    if (content.size() > cap) return refused("Standard input has more than 1 MiB; a secret has 1 byte to 1 MiB.");
    return content;
}

Answer<SecretBytes> read_token() {
    SecretBytes token;
    if (is_terminal(STDIN_FILENO)) {
        const HiddenInput hidden;  // before the prompt: what is typed at once is neither shown nor flushed away
        std::fputs("Token (not shown): ", stderr);
        HWVAULT_TRY(token, read_all(kMaxTokenInput, &hidden.mask_to_wait()));
    } else {
        HWVAULT_TRY(token, read_all(kMaxTokenInput, nullptr));
    }
    if (token.size() > kMaxTokenInput) return refused("Standard input is longer than any token.");
    drop_newline(token);
    if (token.empty()) return refused("No token came on standard input.");
    return token;
}

Answer<void> write_out(int fd, BytesView bytes) {
    while (!bytes.empty()) {
        const ssize_t put = ::write(fd, bytes.data(), bytes.size());
        if (put < 0 && errno == EINTR) continue;
        if (put < 0) return failed("Writing the output");
        bytes = bytes.subspan(static_cast<std::size_t>(put));
    }
    return {};
}

Answer<void> copy_to_clipboard(BytesView secret) {
    if (crypto::base64_size(secret.size()) > kMaxClipboardText) {
        return refused("This secret is too long for a terminal's clipboard. Leave out --copy and use a pipe.");
    }
    const os::Fd terminal{::open("/dev/tty", O_WRONLY | O_CLOEXEC | O_NOCTTY)};
    if (!terminal) return refused("There is no terminal whose clipboard could be used. Leave out --copy.");
    const SecretBytes text = crypto::encode_base64(secret);
    HWVAULT_CHECK(write_out(terminal.get(), bytes_of("\033]52;c;")));
    HWVAULT_CHECK(write_out(terminal.get(), text.reveal()));
    return write_out(terminal.get(), bytes_of("\a"));
}

Progress::Progress(std::string what) : what_(std::move(what)) {
    if (is_terminal(STDERR_FILENO)) thread_ = std::thread([this] { show(); });
}

Progress::~Progress() {
    {
        const std::lock_guard lock(mutex_);
        done_ = true;
    }
    ended_.notify_one();
    if (thread_.joinable()) thread_.join();
}

void Progress::show() {
    using namespace std::chrono_literals;
    constexpr std::array kSigns{'|', '/', '-', '\\'};
    std::unique_lock lock(mutex_);
    if (ended_.wait_for(lock, 1s, [this] { return done_; })) return;
    for (std::size_t turn = 0; !done_; ++turn) {
        const int percent = percent_;
        const std::string come_to = percent < 0 ? "" : " " + std::to_string(percent) + " %";
        std::fprintf(stderr, "\r%c %s%s", kSigns[turn % kSigns.size()], what_.c_str(), come_to.c_str());
        ended_.wait_for(lock, 150ms, [this] { return done_; });
    }
    std::fputs("\r\033[K", stderr);
}

}  // namespace hwvault::cli
