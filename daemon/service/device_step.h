// SPDX-License-Identifier: LGPL-2.1-or-later
//
// One step of the device's counter, made sure of: of which counter, and that nobody else moves it.
#pragma once

#include <cstdint>

#include <boost/asio/awaitable.hpp>

#include "daemon/hardware/hardware.h"
#include "daemon/store/store.h"

namespace hwvault::service {

// From where `counter` stands to one more, which is where it stands then; asked for again, it is the same step. The device
// says with it which counter has made the step: kRolledBack when it is another one than the store is held against, or
// stands elsewhere, since it protects nothing then. Else what the device says.
boost::asio::awaitable<Result<std::uint64_t>> make_step(hardware::Hardware& hardware, store::DeviceCounter counter,
                                                        hardware::Deadline deadline);

}  // namespace hwvault::service
