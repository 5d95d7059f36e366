// SPDX-License-Identifier: LGPL-2.1-or-later
#include "daemon/hardware/child/watchdog.h"

#include <cstdint>
#include <string>

#include <systemd/sd-daemon.h>

#include "foundation/one_line.h"

namespace hwvault::hardware::child {

using std::chrono::steady_clock;

Watchdog::Watchdog() {
    std::uint64_t microseconds = 0;
    if (::sd_watchdog_enabled(0, &microseconds) > 0) {
        limit_ = std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::microseconds(microseconds));
    }
}

void Watchdog::ready() const {
    ::sd_notify(0, "READY=1");
}

void Watchdog::status(std::string_view sentence) const {
    ::sd_notify(0, ("STATUS=" + one_line(sentence)).c_str());
}

Watchdog::Work::Work(Watchdog& watchdog) : watchdog_(watchdog) {
    const std::lock_guard lock(watchdog_.mutex_);
    begun_ = watchdog_.begun_.insert(steady_clock::now());
}

Watchdog::Work::~Work() {
    const std::lock_guard lock(watchdog_.mutex_);
    watchdog_.begun_.erase(begun_);
    if (watchdog_.limit_.count() == 0) return;
    const auto now = steady_clock::now();
    const bool another_hangs = !watchdog_.begun_.empty() && now - *watchdog_.begun_.begin() > watchdog_.limit_;
    // Four times in the limit is often enough; more would only cost system calls.
    if (another_hangs || now - watchdog_.fed_ < watchdog_.limit_ / 4) return;
    ::sd_notify(0, "WATCHDOG=1");
    watchdog_.fed_ = now;
}

}  // namespace hwvault::hardware::child
