// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The audit trail's chain: each entry is kept with the SHA-256 of the one before it and of itself, so that a line
// edited, removed or put elsewhere breaks every hash after it. The head lies, authenticated, in the store
// (docs/formats/audit.md).
//
// Pure; not thread-safe. Events enter the trail in the same transaction as the change that they tell of.
#pragma once

#include <cstdint>

#include "crypto/digest.h"
#include "daemon/audit/entry.h"

namespace hwvault::audit {

class Trail {
public:
    // The empty trail.
    Trail() = default;
    // A trail that goes on after entry number `sequence`, whose hash is `head`; 0 and zeros for an empty one.
    Trail(std::uint64_t sequence, const crypto::Digest& head) : sequence_(sequence), head_(head) {}

    // The next link: its hash is the SHA-256 of (previous hash, sequence, encoding) as fields, and becomes the head.
    vault::EventLink append(const Entry& entry);
    // Whether `link` is the next one of this chain; if so, goes on after it.
    bool follow(const vault::EventLink& link);

    [[nodiscard]] std::uint64_t sequence() const { return sequence_; }
    [[nodiscard]] const crypto::Digest& head() const { return head_; }

private:
    std::uint64_t sequence_{0};
    crypto::Digest head_{};
};

}  // namespace hwvault::audit
