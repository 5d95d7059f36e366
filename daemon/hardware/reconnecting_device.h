// SPDX-License-Identifier: LGPL-2.1-or-later
//
// A device that outlives its connection: when a call finds the token, a session, the login or an object gone, the
// connection is thrown away whole, another is opened, and the call made once more; then its error stands. What no
// device takes (a context or a request for random bytes that is too large) is refused here, for all of them.
//
// The PIN is kept in locked memory for that, since it was accepted once. If it is ever rejected, or may have been, it
// is wiped, and no further login is tried by this device. Every other failure passes: a later call tries again.
//
// An answer without a connection is kHardwareLocked, kNotInitialised or kHardwareUnavailable, so that whoever keeps the
// device learns that it is lost.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <shared_mutex>

#include "daemon/hardware/device.h"

namespace hwvault::hardware {

class ReconnectingDevice final : public Device {
public:
    // Opens one connection with the PIN; empty where the device has none. kHardwareLocked is final.
    using Connect = std::function<Result<std::unique_ptr<Device>>(const SecretBytes& pin)>;

    // The first connection is made at once; its error is given as it is.
    static Result<std::unique_ptr<Device>> open(Connect connect, const SecretBytes& pin);

    Result<SecretBytes> derive(Label label, BytesView context) override;
    Result<Bytes> sign(BytesView message) override;
    Result<SecretBytes> random(std::size_t size) override;
    Result<std::uint64_t> epoch() override;
    Result<CounterReading> advance(std::uint64_t from) override;
    Result<Description> describe() override;
    [[nodiscard]] unsigned parallel() const override { return parallel_; }

private:
    ReconnectingDevice(Connect connect, SecretBytes pin, std::unique_ptr<Device> connection);

    template <class Call>
    auto with_connection(Call call);
    // Opens another connection, unless another thread has done so since `seen`.
    Result<void> reconnect(std::uint64_t seen);

    const Connect connect_;
    const unsigned parallel_;
    // Shared by calls, so that nobody is inside a module when it is finalised and loaded again.
    std::shared_mutex mutex_;
    SecretBytes pin_;
    std::unique_ptr<Device> connection_;  // nullptr after a failed attempt
    std::uint64_t generation_{0};         // of connections
    std::optional<Error> failure_;        // of the last attempt
    std::chrono::steady_clock::time_point failed_at_;
};

}  // namespace hwvault::hardware
