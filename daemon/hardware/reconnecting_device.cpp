// SPDX-License-Identifier: LGPL-2.1-or-later
#include "daemon/hardware/reconnecting_device.h"

#include <mutex>
#include <utility>

namespace hwvault::hardware {
namespace {

using std::chrono::steady_clock;

// A module may take long to find that its device is gone; callers that come in the meantime get that answer
// instead of each finding it out.
constexpr auto kPauseAfterFailure = std::chrono::seconds(1);

template <class T>
bool is_lost(const Result<T>& answer) {
    return !answer && answer.error().code == ErrorCode::kHardwareUnavailable;
}

}  // namespace

Result<std::unique_ptr<Device>> ReconnectingDevice::open(Connect connect, const SecretBytes& pin) {
    HWVAULT_TRY(auto connection, connect(pin));
    return std::unique_ptr<Device>(
        new ReconnectingDevice(std::move(connect), SecretBytes::copy_of(pin.reveal()), std::move(connection)));
}

ReconnectingDevice::ReconnectingDevice(Connect connect, SecretBytes pin, std::unique_ptr<Device> connection)
    : connect_(std::move(connect)),
      parallel_(connection->parallel()),
      pin_(std::move(pin)),
      connection_(std::move(connection)) {}

template <class Call>
auto ReconnectingDevice::with_connection(Call call) {
    using Answer = decltype(call(*connection_));
    std::uint64_t seen = 0;
    {
        const std::shared_lock lock(mutex_);
        seen = generation_;
        if (connection_ != nullptr) {
            Answer answer = call(*connection_);
            if (!is_lost(answer)) return answer;
        }
    }
    if (auto again = reconnect(seen); !again) return Answer(std::move(again).error());
    const std::shared_lock lock(mutex_);
    if (connection_ == nullptr) return Answer(*failure_);
    return call(*connection_);
}

Result<void> ReconnectingDevice::reconnect(std::uint64_t seen) {
    const std::unique_lock lock(mutex_);
    if (generation_ != seen) return {};
    const bool final = failure_ && failure_->code == ErrorCode::kHardwareLocked;
    if (connection_ == nullptr && (final || steady_clock::now() < failed_at_ + kPauseAfterFailure)) return *failure_;
    connection_.reset();  // before the next: C_Finalize and C_Initialize are the process's
    auto opened = connect_(pin_);
    if (opened) {
        connection_ = std::move(opened).value();
        ++generation_;
        return {};
    }
    failure_ = opened.error();
    failed_at_ = steady_clock::now();
    if (failure_->code == ErrorCode::kHardwareLocked) pin_ = SecretBytes();
    return *failure_;
}

Result<SecretBytes> ReconnectingDevice::derive(Label label, BytesView context) {
    if (context.size() > kMaxContextSize) {
        return Error{ErrorCode::kInvalidArgument,
                     "A derivation takes a context of at most " + std::to_string(kMaxContextSize) + " bytes."};
    }
    return with_connection([&](Device& connection) { return connection.derive(label, context); });
}

Result<Bytes> ReconnectingDevice::sign(BytesView message) {
    return with_connection([&](Device& connection) { return connection.sign(message); });
}

Result<SecretBytes> ReconnectingDevice::random(std::size_t size) {
    if (size > kMaxRandomSize) {
        return Error{ErrorCode::kInvalidArgument,
                     "At most " + std::to_string(kMaxRandomSize) + " random bytes are given in one call."};
    }
    return with_connection([&](Device& connection) { return connection.random(size); });
}

Result<std::uint64_t> ReconnectingDevice::epoch() {
    return with_connection([](Device& connection) { return connection.epoch(); });
}

Result<CounterReading> ReconnectingDevice::advance(std::uint64_t from) {
    return with_connection([&](Device& connection) { return connection.advance(from); });
}

Result<Description> ReconnectingDevice::describe() {
    return with_connection([](Device& connection) { return connection.describe(); });
}

}  // namespace hwvault::hardware
