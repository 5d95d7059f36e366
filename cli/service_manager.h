// SPDX-License-Identifier: LGPL-2.1-or-later
//
// systemd, as far as administrative commands need it: how units are, standing hwvaultd still for work that needs the vault alone,
// one-shot units with what they printed. Through systemctl(1) and journalctl(1), without a shell. Failures are sentences.
#pragma once

#include <csignal>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cli/door.h"

namespace hwvault::cli {

constexpr const char* kDaemonService = "hwvaultd.service";
constexpr const char* kDaemonSocket = "hwvaultd.socket";
constexpr const char* kCredentialSocketUnit = "hwvaultd-credential.socket";
constexpr const char* kNoticeSocketUnit = "hwvault-notice.socket";
constexpr const char* kChildService = "hwvault-hardware.service";
constexpr const char* kChildSocket = "hwvault-hardware.socket";
constexpr const char* kInit = "hwvault-init.service";
constexpr const char* kChildInit = "hwvault-hardware-init.service";

struct UnitState {
    std::string name;
    std::string load;    // "loaded", "not-found", "masked", ...
    std::string active;  // "active", "inactive", "failed", "activating", ...
    std::string file;    // "enabled", "disabled", "static", ...; "" where there is no file
    bool can_reload{false};

    // Neither stopped nor given up.
    [[nodiscard]] bool is_up() const { return active != "inactive" && active != "failed"; }
    [[nodiscard]] bool is_on_its_way() const { return is_up() && active != "active"; }
};

// Whether systemd is process 1 here.
bool systemd_runs();
// Whether it is, and has our units.
Answer<bool> runs_under_systemd();

// In the order of `units`. Internal when systemctl failed.
Answer<std::vector<UnitState>> unit_states(const std::vector<std::string>& units);
Answer<UnitState> unit_state(const std::string& unit);
// Of what `systemctl show` prints: one block a unit.
std::vector<UnitState> parse_unit_states(std::string_view text);

// `systemctl VERB UNIT...`, all together and to the end of their jobs. systemctl's own message goes to standard error.
Answer<void> systemctl(const std::string& verb, const std::vector<std::string>& units);
// The same, but it returns when systemd has taken the jobs.
Answer<void> systemctl_without_waiting(const std::string& verb, const std::vector<std::string>& units);

// Starts one-shot units, the last of them by name and the others as what it requires, and gives what each printed on standard
// output, in this order. A failure ends with the last error that they have logged.
Answer<std::vector<std::string>> run_units(const std::vector<std::string>& units);
// The last line of `journalctl --output=cat`, which says why; "" of nothing.
std::string last_line_of(std::string_view messages);

// While it lives, those of `units` that were up are stopped, and `held`, if any, cannot be started by anybody (it is masked until
// the next boot at most); then exactly they are started again, also after a failure or when a signal asks this process to end,
// which it does then. Says both on standard error.
class Standstill {
public:
    static Answer<Standstill> of(const std::vector<std::string>& units, const std::string& held = "");
    Standstill(Standstill&& other) noexcept;
    Standstill(const Standstill&) = delete;
    Standstill& operator=(const Standstill&) = delete;
    Standstill& operator=(Standstill&&) = delete;
    ~Standstill();

    [[nodiscard]] bool has_stopped() const { return stopped_ && !stopped_->empty(); }
    // Sooner, so that a failure can be told.
    Answer<void> end();

private:
    Standstill(std::vector<std::string> stopped, std::string held);

    std::optional<std::vector<std::string>> stopped_;  // nullopt: ended, or moved from
    std::string held_;
};
// hwvaultd and its sockets; callers on the bus, which would start it too, are told that it is masked.
Answer<Standstill> hwvaultd_stands_still();

}  // namespace hwvault::cli
