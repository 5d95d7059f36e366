// SPDX-License-Identifier: LGPL-2.1-or-later
#include "daemon/hardware/child/device_keeper.h"

#include <algorithm>
#include <utility>

namespace hwvault::hardware::child {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

struct DeviceKeeper::Lease {
    Lease(DeviceKeeper& leasing_keeper, std::unique_ptr<Device> opened)
        : keeper(leasing_keeper), device(std::move(opened)) {}
    Lease(const Lease&) = delete;
    Lease& operator=(const Lease&) = delete;
    ~Lease() {
        device.reset();
        const std::lock_guard lock(keeper.mutex_);
        keeper.leased_ = false;
        keeper.changed_.notify_all();
    }

    DeviceKeeper& keeper;
    std::unique_ptr<Device> device;
};

DeviceKeeper::DeviceKeeper(Open open, Attempted attempted, Pace pace)
    : open_(std::move(open)),
      attempted_(std::move(attempted)),
      pace_(pace),
      device_(Error{ErrorCode::kHardwareUnavailable, "The device is being opened: try again in a moment."}),
      thread_([this] { run(); }) {}

DeviceKeeper::~DeviceKeeper() {
    {
        const std::lock_guard lock(mutex_);
        stopping_ = true;
        changed_.notify_all();
    }
    thread_.join();
}

Result<std::shared_ptr<Device>> DeviceKeeper::device() const {
    const std::lock_guard lock(mutex_);
    return device_;
}

void DeviceKeeper::lost(const std::shared_ptr<Device>& device, const Error& why) {
    Result<std::shared_ptr<Device>> dropped(why);
    const std::lock_guard lock(mutex_);
    if (!device_ || *device_ != device) return;
    std::swap(device_, dropped);  // `device` keeps it alive until the caller is done
    changed_.notify_all();
}

void DeviceKeeper::run() {
    milliseconds pause = pace_.first;
    do {
        const auto started = steady_clock::now();
        attempt();
        if (!wait_until_lost()) return;
        if (steady_clock::now() - started >= pace_.served_a_while) pause = pace_.first;
    } while (wait_for(std::exchange(pause, std::min(pause * 2, pace_.longest))));
}

void DeviceKeeper::attempt() {
    auto opened = open_();
    Result<std::shared_ptr<Device>> device(std::shared_ptr<Device>{});
    if (opened) {
        const auto lease = std::make_shared<Lease>(*this, std::move(*opened));
        device = std::shared_ptr<Device>(lease, lease->device.get());
    } else {
        device = cannot_be_opened(std::move(opened).error());
    }
    {
        const std::lock_guard lock(mutex_);
        leased_ = device.has_value();
        device_ = device;
    }
    attempted_(device);
}

// False when the keeper stops first.
bool DeviceKeeper::wait_for(milliseconds pause) {
    std::unique_lock lock(mutex_);
    return !changed_.wait_for(lock, pause, [this] { return stopping_; });
}

// Returns when there is no device and no call on the last one. False when the keeper stops first.
bool DeviceKeeper::wait_until_lost() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return stopping_ || (!device_ && !leased_); });
    return !stopping_;
}

}  // namespace hwvault::hardware::child
