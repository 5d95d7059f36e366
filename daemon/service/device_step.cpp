// SPDX-License-Identifier: LGPL-2.1-or-later
#include "daemon/service/device_step.h"

namespace hwvault::service {
namespace {

Error protects_nothing(const std::string& what) {
    return {ErrorCode::kRolledBack,
            "The device's counter " + what + ", so nothing that is revoked now is proof against an older copy of the store. "
            "Restart hwvaultd, and see what `hwvault doctor` says."};
}

}  // namespace

boost::asio::awaitable<Result<std::uint64_t>> make_step(hardware::Hardware& hardware, store::DeviceCounter counter,
                                                        hardware::Deadline deadline) {
    HWVAULT_CO_TRY(const auto device, co_await hardware.advance(counter.value, deadline));
    if (device.counter != counter.identity) co_return protects_nothing("is another one by now");
    if (device.number != counter.value + 1) co_return protects_nothing("was moved by something else");
    co_return device.number;
}

}  // namespace hwvault::service
