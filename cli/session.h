// SPDX-License-Identifier: LGPL-2.1-or-later
//
// One run of the command: its settings, its door (opened when it is first needed), and how its answer is printed.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>

#include <boost/json/value.hpp>

#include "cli/door.h"
#include "cli/terminal.h"

namespace hwvault::cli {

// The contract's exit codes.
enum Exit : int { kYes = 0, kNo = 1, kUsage = 2, kUnavailable = 3 };
// What a failure means for who called: no (1), wrongly asked (2), or vault or hardware not available (3).
Exit exit_of(const Failure& failure);

// One sentence on standard error.
void warn(const std::string& sentence);

struct Settings {
    std::string address;         // --address; "": where libhwvault looks
    std::string door{"socket"};  // --door: "socket" or "dbus"
    std::string timeout{"30s"};  // --timeout, of each call
    std::string configuration{"/etc/hwvault/hwvault.toml"};
    bool configuration_is_named{false};  // by --config
    bool json{false};
};

class Session {
public:
    Settings settings;
    // What the command line asked for; set by the subcommand that was named.
    std::function<Answer<Exit>()> work;

    // `call` is given the door; meanwhile `waiting_for` is shown where it takes long.
    template <class Call>
    auto ask(const std::string& waiting_for, Call call) -> decltype(call(std::declval<Door&>())) {
        HWVAULT_TRY(Door* const door, open_door());
        const Progress progress(waiting_for);
        return call(*door);
    }
    // Without a sign of progress, for what goes on without end. A door that it opens waits for `at_most` a call, where
    // --timeout says no less.
    Answer<Door*> open_door(std::chrono::seconds at_most = std::chrono::seconds::max());

    // `text` for people, or `value` and a newline for programs, on standard output; at once.
    Answer<void> print(const std::string& text, const boost::json::value& value) const;
    // One sentence on standard error; for programs also {"error", "message"} on standard output.
    void report(const Failure& failure) const;

private:
    std::unique_ptr<Door> door_;
};

}  // namespace hwvault::cli
