// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Secrets in descriptors that callers send. A sealed memfd is read at once; anything else may be a pipe that never
// ends, so it is read on a thread of its own, with a cap and a deadline, and never in the way of another call.
#pragma once

#include <chrono>
#include <cstddef>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>

#include "foundation/result.h"
#include "foundation/secret.h"
#include "os/blocking.h"
#include "os/fd.h"

namespace hwvault::doors::dbus {

constexpr std::size_t kMaxTokenSize = 128;  // bytes; crypto::kMaxTokenSize is less, and a wrong one may be longer
constexpr std::chrono::milliseconds kReadDeadline{2'000};

class Descriptors {
public:
    explicit Descriptors(boost::asio::any_io_executor strand);

    // kInvalidArgument when it has more than `cap` bytes, cannot be read, or does not end in time; kBusy when too
    // many callers send something else than a sealed memfd.
    boost::asio::awaitable<Result<SecretBytes>> read(os::Fd descriptor, std::size_t cap);

private:
    boost::asio::any_io_executor strand_;
    os::BlockingThreads threads_;
};

}  // namespace hwvault::doors::dbus
