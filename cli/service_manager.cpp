// SPDX-License-Identifier: LGPL-2.1-or-later
#include "cli/service_manager.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <filesystem>
#include <system_error>
#include <utility>

#include "cli/output.h"
#include "cli/session.h"
#include "os/run.h"

namespace hwvault::cli {
namespace {

constexpr std::array kEndingSignals{SIGINT, SIGTERM, SIGHUP, SIGQUIT};

Answer<std::string> run_tool(const std::string& tool, std::vector<std::string> arguments) {
    HWVAULT_TRY(std::string output, os::run({tool, std::move(arguments), {"SYSTEMD_PAGER=", "SYSTEMD_COLORS=0"}}));
    return output;
}

// The line of `text` that begins at `from`, without its newline; `from` goes behind it.
std::string_view take_line(std::string_view text, std::size_t& from) {
    const std::size_t end = std::min(text.find('\n', from), text.size());
    const std::string_view line = text.substr(from, end - from);
    from = end + 1;
    return line;
}

void set(UnitState& state, std::string_view key, std::string_view value) {
    if (key == "Id") state.name = value;
    if (key == "LoadState") state.load = value;
    if (key == "ActiveState") state.active = value;
    if (key == "UnitFileState") state.file = value;
    if (key == "CanReload") state.can_reload = value == "yes";
}

Answer<void> tell_systemd(std::vector<std::string> arguments, const std::vector<std::string>& units) {
    if (units.empty()) return {};
    const std::string verb = arguments.back();
    arguments.emplace_back("--");
    arguments.insert(arguments.end(), units.begin(), units.end());
    if (run_tool("systemctl", std::move(arguments))) return {};
    return Failure{HWVAULT_ERROR_INTERNAL, "`systemctl " + verb + "` of " + joined(units) +
                                               " failed. Look at `systemctl status` and `journalctl -u` of them."};
}

// Now, as journalctl takes it. Not a cursor: after one, journalctl 252 also passes over the first entry that a filter lets through.
std::string journal_now() {
    constexpr int kDigits = 6;
    const auto now = std::chrono::system_clock::now().time_since_epoch();
    const auto seconds = std::chrono::floor<std::chrono::seconds>(now);
    const std::string part = std::to_string(std::chrono::floor<std::chrono::microseconds>(now - seconds).count());
    return "@" + std::to_string(seconds.count()) + "." + std::string(kDigits - part.size(), '0') + part;
}

// What a unit's processes said since, `which` of it.
Answer<std::string> said_since(const std::string& moment, const std::string& unit, const std::string& which) {
    HWVAULT_TRY(const std::string said, run_tool("journalctl", {"--quiet", "--output=cat", "--since=" + moment, "_SYSTEMD_UNIT=" + unit, which}));
    return printable_lines(said);  // a device's own words may be in it
}

// Signals that ask this process to end wait while something must be put back. A handler, and not to ignore them: what is
// started meanwhile is asked to end by a terminal too, and does.
std::atomic<int> signal_that_waits{0};
std::array<struct sigaction, kEndingSignals.size()> handlers_before;

void note_signal(int number) {
    signal_that_waits = number;
}

void hold_signals() {
    signal_that_waits = 0;
    struct sigaction note {};
    note.sa_handler = note_signal;
    ::sigemptyset(&note.sa_mask);
    for (std::size_t i = 0; i < kEndingSignals.size(); ++i) ::sigaction(kEndingSignals[i], &note, &handlers_before[i]);
}

void release_signals() {
    for (std::size_t i = 0; i < kEndingSignals.size(); ++i) ::sigaction(kEndingSignals[i], &handlers_before[i], nullptr);
    if (const int number = signal_that_waits.exchange(0); number != 0) static_cast<void>(::raise(number));
}

}  // namespace

bool systemd_runs() {
    std::error_code ignored;
    return std::filesystem::is_directory("/run/systemd/system", ignored);
}

Answer<bool> runs_under_systemd() {
    if (!systemd_runs()) return false;
    HWVAULT_TRY(const UnitState init, unit_state(kInit));
    return init.load == "loaded";
}

std::vector<UnitState> parse_unit_states(std::string_view text) {
    std::vector<UnitState> states;
    bool begins = true;
    for (std::size_t from = 0; from < text.size();) {
        const std::string_view line = take_line(text, from);
        if (line.empty()) {
            begins = true;
            continue;
        }
        if (std::exchange(begins, false)) states.emplace_back();
        const std::size_t sign = std::min(line.find('='), line.size() - 1);
        set(states.back(), line.substr(0, sign), line.substr(sign + 1));
    }
    return states;
}

Answer<std::vector<UnitState>> unit_states(const std::vector<std::string>& units) {
    std::vector<std::string> arguments{"show", "--property=Id,LoadState,ActiveState,UnitFileState,CanReload", "--"};
    arguments.insert(arguments.end(), units.begin(), units.end());
    HWVAULT_TRY(const std::string shown, run_tool("systemctl", std::move(arguments)));
    std::vector<UnitState> states = parse_unit_states(shown);
    if (states.size() == units.size()) return states;
    return Failure{HWVAULT_ERROR_INTERNAL, "systemctl said nothing of some of " + joined(units) + ". Try again."};
}

Answer<UnitState> unit_state(const std::string& unit) {
    HWVAULT_TRY(const std::vector<UnitState> states, unit_states({unit}));
    return states.front();
}

Answer<void> systemctl(const std::string& verb, const std::vector<std::string>& units) {
    return tell_systemd({verb}, units);
}

Answer<void> systemctl_without_waiting(const std::string& verb, const std::vector<std::string>& units) {
    return tell_systemd({"--no-block", verb}, units);
}

std::string last_line_of(std::string_view messages) {
    std::string last;
    for (std::size_t from = 0; from < messages.size();) last = take_line(messages, from);
    return last;
}

Answer<std::vector<std::string>> run_units(const std::vector<std::string>& units) {
    const std::string begin = journal_now();
    const auto started = run_tool("systemctl", {"--quiet", "start", "--", units.back()});
    HWVAULT_CHECK(run_tool("journalctl", {"--sync"}));
    std::vector<std::string> reports;
    std::string reason;
    for (const std::string& unit : units) {
        HWVAULT_TRY(reports.emplace_back(), said_since(begin, unit, "_TRANSPORT=stdout"));
        HWVAULT_TRY(const std::string errors, said_since(begin, unit, "--priority=err"));
        if (!errors.empty()) reason = last_line_of(errors);
    }
    if (started) return reports;
    const std::string why = reason.empty() ? "Look at `journalctl -u " + units.back() + "`." : reason;
    return Failure{HWVAULT_ERROR_INTERNAL, units.back() + " failed. " + why};
}

Standstill::Standstill(std::vector<std::string> stopped, std::string held)
    : stopped_(std::move(stopped)), held_(std::move(held)) {
    hold_signals();
}

Standstill::Standstill(Standstill&& other) noexcept
    : stopped_(std::exchange(other.stopped_, std::nullopt)), held_(std::move(other.held_)) {}

Answer<Standstill> Standstill::of(const std::vector<std::string>& units, const std::string& held) {
    HWVAULT_TRY(const std::vector<UnitState> states, unit_states(units));
    std::vector<std::string> up;
    for (const UnitState& state : states) {
        if (state.is_up()) up.push_back(state.name);
    }
    Standstill standstill(up, held);  // from here on they are started again, however the stop goes
    if (!up.empty()) warn("Stopping " + joined(up) + " for this; started again afterwards.");
    if (!held.empty()) HWVAULT_CHECK(run_tool("systemctl", {"--quiet", "--runtime", "mask", "--", held}));
    HWVAULT_CHECK(systemctl("stop", held.empty() ? up : units));  // one that came up meanwhile, too
    return standstill;
}

Answer<void> Standstill::end() {
    const auto stopped = std::exchange(stopped_, std::nullopt);
    if (!stopped) return {};
    if (!held_.empty()) {
        const auto freed = run_tool("systemctl", {"--quiet", "--runtime", "unmask", "--", held_});
        if (!freed) warn("Run `systemctl --runtime unmask " + held_ + "`: " + freed.error().message);
    }
    auto started = systemctl("start", *stopped);
    if (started && !stopped->empty()) warn("Started again: " + joined(*stopped) + ".");
    release_signals();
    return started;
}

Standstill::~Standstill() {
    if (const auto ended = end(); !ended) warn(ended.error().message);
}

Answer<Standstill> hwvaultd_stands_still() {
    return Standstill::of({kDaemonSocket, kCredentialSocketUnit, kDaemonService}, kDaemonService);
}

}  // namespace hwvault::cli
