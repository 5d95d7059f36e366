// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The hardware as the daemon sees it: the same verbs as hardware::Device, asynchronous and with deadlines.
//
// The only implementation in the product is hardware::Client, over the private socket to the child. Every call
// ends by its deadline: kHardwareUnavailable when the child is gone, hung, or busy for longer. Not thread-safe:
// called on the service's strand, which it never blocks.
#pragma once

#include <chrono>
#include <functional>

#include <boost/asio/awaitable.hpp>

#include "daemon/hardware/device.h"

namespace hwvault::hardware {

using Deadline = std::chrono::steady_clock::time_point;

class Hardware {
public:
    virtual ~Hardware() = default;

    virtual boost::asio::awaitable<Result<SecretBytes>> derive(Label label, Bytes context, Deadline deadline) = 0;
    // A DER signature over checkpoint_message(); kInvalidArgument when the sequence does not grow.
    virtual boost::asio::awaitable<Result<Bytes>> checkpoint(Checkpoint checkpoint, Deadline deadline) = 0;
    virtual boost::asio::awaitable<Result<SecretBytes>> random(std::size_t size, Deadline deadline) = 0;
    virtual boost::asio::awaitable<Result<std::uint64_t>> epoch(Deadline deadline) = 0;
    virtual boost::asio::awaitable<Result<CounterReading>> advance(std::uint64_t from, Deadline deadline) = 0;
    virtual boost::asio::awaitable<Result<Description>> describe(Deadline deadline) = 0;

    // Whether the child is connected and has answered; cheap. The error says why not and what to do: it is
    // kHardwareLocked after a rejected PIN and kNotInitialised when the device has no keys yet.
    [[nodiscard]] virtual Result<void> state() const = 0;
    // `changed` is called on the strand each time state() becomes another. One listener.
    virtual void on_state_change(std::function<void()> changed) = 0;
};

}  // namespace hwvault::hardware
