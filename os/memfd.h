// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Secrets in a memfd: how a token travels over D-Bus without entering a message body.
#pragma once

#include <chrono>

#include "foundation/bytes.h"
#include "foundation/result.h"
#include "foundation/secret.h"
#include "os/fd.h"

namespace hwvault::os {

// A new memfd with exactly these bytes, sealed against writing, growing, shrinking and further seals, close-on-
// exec, its offset at the start. kInternal on failure.
Result<Fd> sealed_memfd(BytesView bytes);

// What a descriptor from another process holds, at most `cap` bytes. A memfd sealed against writing and resizing
// is read at once, from its first byte; anything else (a pipe, a socket, a file) is read from where it stands to
// its end, within `deadline` for the whole, so this blocks: call it off the strand. kInvalidArgument when it is
// not readable, has more than `cap` bytes, or does not end in time.
Result<SecretBytes> read_descriptor(const Fd& fd, std::size_t cap, std::chrono::milliseconds deadline);

// True when read_descriptor() would not block.
bool is_sealed_memfd(const Fd& fd);

}  // namespace hwvault::os
