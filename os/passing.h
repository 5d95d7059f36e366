// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Descriptors that travel over a Unix socket beside bytes (SCM_RIGHTS, unix(7)).
#pragma once

#include <span>
#include <vector>

#include <sys/types.h>

#include "foundation/bytes.h"
#include "os/fd.h"

namespace hwvault::os {

constexpr std::size_t kMaxPassed = 4;  // descriptors with one message

// As send(2) with MSG_DONTWAIT and MSG_NOSIGNAL; the descriptors, kMaxPassed at most, go with the first byte.
ssize_t send_with(int socket, BytesView bytes, std::span<const Fd> descriptors);
// As recv(2) with MSG_DONTWAIT; descriptors that came are added, close-on-exec. Those beyond kMaxPassed the kernel closes.
ssize_t receive_with(int socket, std::span<std::uint8_t> space, std::vector<Fd>& descriptors);

}  // namespace hwvault::os
