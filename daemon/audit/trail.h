// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The audit trail's chain: each event is kept with the SHA-256 of the one before it and of itself, so that a line
// edited, removed or put elsewhere breaks every hash after it. The head lies, authenticated, in the store.
//
// Pure; not thread-safe. Events enter the trail in the same transaction as the change that they tell of.
#pragma once

#include <cstdint>
#include <optional>

#include "crypto/digest.h"
#include "daemon/vault/change.h"
#include "foundation/bytes.h"

namespace hwvault::audit {

class Trail {
public:
    // A trail that goes on after event number `sequence`, whose hash is `head`; 0 and zeros for an empty one.
    Trail(std::uint64_t sequence, const crypto::Digest& head) : sequence_(sequence), head_(head) {}

    // The next link: its hash is the SHA-256 of (previous hash, sequence, encoding) as fields, and becomes the head.
    vault::EventLink append(const vault::Event& event);
    // Whether `link` is the next one of this chain; if so, goes on after it.
    bool follow(const vault::EventLink& link);

    [[nodiscard]] std::uint64_t sequence() const { return sequence_; }
    [[nodiscard]] const crypto::Digest& head() const { return head_; }

private:
    std::uint64_t sequence_;
    crypto::Digest head_;
};

Bytes encode(const vault::Event& event);
std::optional<vault::Event> decode(BytesView body);

}  // namespace hwvault::audit
