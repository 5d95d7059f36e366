// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Clients that nobody here wrote: busctl, gdbus, and Debian's python3-dbus (client.py) where descriptors travel.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include <sys/types.h>

#include "os/fd.h"

namespace hwvault::doors::dbus {

struct Outcome {
    int status{-1};
    std::string output;  // of standard output and standard error
    [[nodiscard]] bool has(std::string_view text) const { return output.find(text) != std::string::npos; }
};

// A program under way. It is killed when it is destroyed, or after 30 seconds of finish().
class Running {
public:
    explicit Running(const std::vector<std::string>& command, std::string_view input = {});
    ~Running();
    Running(Running&& other) noexcept;
    Running& operator=(Running&&) = delete;

    Outcome finish();
    // Reads until its output has `text`; false after thirty seconds.
    bool says(std::string_view text);
    // The same, for what is there now or comes within 50 ms.
    bool shows(std::string_view text);
    // Ends it politely and gives what it said.
    Outcome interrupt();

private:
    bool read_some(int milliseconds);

    pid_t pid_{-1};
    os::Fd output_;
    std::string said_;
};

Outcome run(const std::vector<std::string>& command, std::string_view input = {});

// `busctl --address=A call org.hwvault.Vault1 ... METHOD ARGUMENTS`
Outcome busctl(const std::string& address, std::vector<std::string> arguments);
std::vector<std::string> python(const std::string& address, std::vector<std::string> arguments);

// True when `program` is on the PATH; else says that the test is skipped.
bool have(const std::string& program);
// True when Debian's python3 has dbus (and, where asked, the GLib main loop).
bool have_python_dbus(bool main_loop = false);

}  // namespace hwvault::doors::dbus
