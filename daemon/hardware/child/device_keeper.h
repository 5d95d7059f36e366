// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Keeps the device open: opens it on a thread of its own, again with growing pauses when that fails, and closes
// and opens it anew when a call found it gone.
//
// A module is never opened twice at once: the next attempt waits until every call on the lost device has ended.
// What must not be tried again (a rejected PIN) is refused by `open` itself: pin_gate.h. Thread-safe.
#pragma once

#include <chrono>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>

#include "daemon/hardware/device.h"
#include "foundation/result.h"

namespace hwvault::hardware::child {

// Pauses between attempts: doubled each time, back to the first after the device served a while.
struct Pace {
    std::chrono::milliseconds first{50};
    std::chrono::milliseconds longest{5'000};
    std::chrono::milliseconds served_a_while{10'000};
};

class DeviceKeeper {
public:
    using Open = std::function<Result<std::unique_ptr<Device>>()>;
    // Called after each attempt, on the keeper's thread: with the device, or with the reason why there is none.
    using Attempted = std::function<void(const Result<std::shared_ptr<Device>>&)>;

    DeviceKeeper(Open open, Attempted attempted, Pace pace = {});
    DeviceKeeper(const DeviceKeeper&) = delete;
    DeviceKeeper& operator=(const DeviceKeeper&) = delete;
    // Waits for an attempt that is under way. Nobody else holds the device any more.
    ~DeviceKeeper();

    // The device, or the last attempt's error while it is not open.
    [[nodiscard]] Result<std::shared_ptr<Device>> device() const;
    // A call on `device` ended with `why`: nobody gets it any more.
    void lost(const std::shared_ptr<Device>& device, const Error& why);

private:
    // Tells the keeper when the last user of a device has let it go.
    struct Lease;

    void run();
    void attempt();
    [[nodiscard]] bool wait_for(std::chrono::milliseconds pause);
    [[nodiscard]] bool wait_until_lost();

    const Open open_;
    const Attempted attempted_;
    const Pace pace_;
    mutable std::mutex mutex_;
    std::condition_variable changed_;
    bool leased_{false};
    bool stopping_{false};
    Result<std::shared_ptr<Device>> device_;
    std::thread thread_;
};

}  // namespace hwvault::hardware::child
