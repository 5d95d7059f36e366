// SPDX-License-Identifier: LGPL-2.1-or-later
#include "daemon/doors/dbus/descriptors.h"

#include <memory>
#include <utility>

#include "os/memfd.h"

namespace hwvault::doors::dbus {
namespace {

// A pipe that never ends holds a thread until the deadline; the queue takes a burst of those that do end.
constexpr os::BlockingThreads::Limits kLimits{.threads = 8, .queue = 64, .hung = 8};
// For what poll(2) calls readable and read(2) then waits for, as on a file system that hangs.
constexpr std::chrono::milliseconds kAllowance{500};
constexpr const char* kTooMany = "The vault could not read your descriptor in time. Send the bytes in a sealed memfd.";

}  // namespace

Descriptors::Descriptors(boost::asio::any_io_executor strand) : strand_(std::move(strand)), threads_(kLimits) {
}

boost::asio::awaitable<Result<SecretBytes>> Descriptors::read(os::Fd descriptor, std::size_t cap) {
    if (os::is_sealed_memfd(descriptor)) co_return os::read_descriptor(descriptor, cap, kReadDeadline);
    // The one reference goes along: closing, too, may wait for the file system behind a descriptor.
    auto shared = std::make_shared<const os::Fd>(std::move(descriptor));
    std::function<Result<SecretBytes>()> call = [shared = std::move(shared), cap] {
        return os::read_descriptor(*shared, cap, kReadDeadline);
    };
    auto content = co_await threads_.run<SecretBytes>(strand_, std::move(call), kReadDeadline + kAllowance, kTooMany);
    co_return content;
}

}  // namespace hwvault::doors::dbus
