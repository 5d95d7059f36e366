// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Standard input and output where secrets pass through them, the clipboard, and the sign of life on a terminal.
//
// A secret is read into and written out of locked memory, never through stdio, whose buffers stay behind.
#pragma once

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <string>
#include <thread>

#include "cli/door.h"
#include "foundation/secret.h"

namespace hwvault::cli {

bool is_terminal(int fd);

// All of standard input, at most `cap` bytes, as it comes. InvalidArgument when it is empty, longer, or a terminal.
Answer<SecretBytes> read_content(std::size_t cap);
// A token from standard input, without its final newline. From a terminal it is asked for and not shown.
Answer<SecretBytes> read_token();

// Writes all of it; Internal when that fails (a closed pipe, a full disk).
Answer<void> write_out(int fd, BytesView bytes);

// To the clipboard of the terminal, with OSC 52 on /dev/tty; nothing is shown.
Answer<void> copy_to_clipboard(BytesView secret);

// While it lives, and after the first second, a moving sign with `what` on standard error, if that is a terminal; and how
// far it has come, once that was said.
class Progress {
public:
    explicit Progress(std::string what);
    void come_to(unsigned percent) { percent_ = static_cast<int>(percent); }
    Progress(const Progress&) = delete;
    Progress& operator=(const Progress&) = delete;
    ~Progress();

private:
    void show();

    std::string what_;
    std::mutex mutex_;
    std::condition_variable ended_;
    bool done_{false};
    std::atomic<int> percent_{-1};
    std::thread thread_;
};

}  // namespace hwvault::cli
