// SPDX-License-Identifier: LGPL-2.1-or-later
//
// A device that does what the context of a derivation tells it to, so that a test on the other side of the socket
// can break it: "crash", "hang", "hang in PID" (in that process alone), "held" (until the test lets go of it, half a minute at most), "gone"
// (kHardwareUnavailable), "locked", "keyless" (kNotInitialised). Its description names the process it lives in.
#pragma once

#include <chrono>
#include <cstdlib>
#include <memory>
#include <string>
#include <thread>
#include <utility>

#include <unistd.h>

#include "tests/hardware/fake_device.h"

namespace hwvault::hardware {

class FaultyDevice final : public Device {
public:
    explicit FaultyDevice(std::shared_ptr<FakeToken> token) : device_(std::move(token)) {}

    Result<SecretBytes> derive(Label label, BytesView context) override {
        const std::string_view order = text_of(context);
        if (order == "crash") std::abort();
        if (order == "hang" || order == "hang in " + std::to_string(::getpid())) std::this_thread::sleep_for(std::chrono::hours(1));
        if (order == "held") hold();
        if (order == "gone") return Error{ErrorCode::kHardwareUnavailable, "The device was pulled out."};
        if (order == "locked") return Error{ErrorCode::kHardwareLocked, "CKR_PIN_LOCKED"};
        if (order == "keyless") return Error{ErrorCode::kNotInitialised, "The device came back without its keys."};
        return device_.derive(label, context);
    }
    Result<Bytes> sign(BytesView message) override { return device_.sign(message); }
    Result<SecretBytes> random(std::size_t size) override { return device_.random(size); }
    Result<std::uint64_t> epoch() override { return device_.epoch(); }
    Result<CounterReading> advance(std::uint64_t from) override { return device_.advance(from); }
    Result<Description> describe() override {
        auto description = device_.describe();
        if (description) description->serial = std::to_string(::getpid());
        return description;
    }
    [[nodiscard]] unsigned parallel() const override { return device_.parallel(); }

private:
    void hold() const {
        using namespace std::chrono_literals;
        FakeFaults& faults = device_.token().faults;
        const auto end = std::chrono::steady_clock::now() + 30s;
        ++faults.holding;
        while (faults.held && std::chrono::steady_clock::now() < end) std::this_thread::sleep_for(1ms);
        --faults.holding;
    }

    FakeDevice device_;
};

}  // namespace hwvault::hardware
