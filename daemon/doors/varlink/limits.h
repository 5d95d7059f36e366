// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What the socket grants to those who connect. The numbers are the product's; tests ask for smaller ones.
// A message's own limits are in libclient/wire/varlink.h, beside its format.
#pragma once

#include <chrono>
#include <cstddef>

namespace hwvault::doors::varlink {

struct Limits {
    std::size_t connections{4'096};
    // Of these, kept for root: when everybody else's are taken, an administrator still can revoke.
    std::size_t kept_for_root{64};
    std::size_t connections_of_uid{1'200};   // 1,000 clients of one user at once must work
    std::size_t connections_of_unit{1'100};  // so that a service of root's leaves some to root
    // Bytes of all buffers larger than kSmallBuffer, of all connections.
    std::size_t buffered{128 << 20};

    std::chrono::milliseconds first_message{60'000};  // from accept to the first byte
    std::chrono::milliseconds whole_message{10'000};  // from a message's first byte to its NUL
    std::chrono::milliseconds write{10'000};          // for a client to take what it asked for
    std::chrono::milliseconds drain{5'000};           // for calls that were sent before stop()
};

// Buffers up to here cost only their connection; an idle connection has none at all. The workspace that all share has one
// to read and one to answer (workspace.h): a read takes no more at once.
constexpr std::size_t kSmallBuffer = 64 << 10;
constexpr std::size_t kFirstBuffer = 4 << 10;  // for the first read of a message
// Pipelined calls that are answered before their replies are written, and the bytes of these replies: half a small
// buffer, so that one more small reply always has its place.
constexpr std::size_t kMaxQueuedReplies = 64;
constexpr std::size_t kMaxQueuedBytes = kSmallBuffer / 2;
// Calls that are answered before others on the strand have their turn; oneway calls queue no reply that would count.
constexpr std::size_t kMaxCallsInOneGo = 64;
// The same of all connections that were found ready together.
constexpr std::size_t kMaxCallsOfAllInOneGo = 4 * kMaxCallsInOneGo;  // some 0.1 ms
// Values in one call's tree: the largest call has 32 scopes and 16 owners.
constexpr std::size_t kMaxCallValues = 512;

}  // namespace hwvault::doors::varlink
