// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The memory in which calls that need no wait are read and answered: one for all connections, since they live on one
// strand. A connection has the input for one turn, and leaves it wiped. Replies stay until those connections that were
// ready together have all been read (poller.h), and are sent then, so that a client of several is woken once, and not by each.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "daemon/doors/varlink/limits.h"
#include "foundation/secret.h"

namespace hwvault::doors::varlink {

class MessageStream;

class Workspace {
public:
    [[nodiscard]] std::span<std::uint8_t> input() { return input_.reveal_to_fill(); }

    // Room for replies, for half a small buffer at least.
    std::span<std::uint8_t> room();
    // The first `size` bytes of room() are for the client of `stream`, which calls send_all() before it goes, waits, or has
    // more; but for one that waits at the poller, which does it.
    void add(MessageStream& stream, std::size_t size);
    void send_all() noexcept;

private:
    struct Replies {
        MessageStream* stream;
        std::size_t begin;
        std::size_t size;
    };

    SecretBytes input_{kSmallBuffer};
    SecretBytes output_{kSmallBuffer};
    std::size_t written_{0};
    std::vector<Replies> gathered_;
    std::vector<Replies> sending_;  // as gathered_, in turns, so that both keep their memory
};

}  // namespace hwvault::doors::varlink
