// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The nonces of generations that were retrieved or made a short while ago. The vault keeps none in memory, and who
// retrieves a string again is not to wait for the store. They are not secret, and what has an id has it for ever.
//
// At most kMost; when there are as many it begins anew. Pure; not thread-safe.
#pragma once

#include <cstring>
#include <optional>
#include <unordered_map>

#include "daemon/vault/record.h"

namespace hwvault::service {

class RecentNonces {
public:
    static constexpr std::size_t kMost = 10'000;

    // One without a nonce is not kept.
    void saw(const vault::Generation& generation) {
        if (!generation.nonce) return;
        if (nonces_.size() >= kMost) nonces_.clear();
        nonces_.insert_or_assign(generation.id, *generation.nonce);
    }
    [[nodiscard]] std::optional<vault::Nonce> of(const crypto::TokenId& id) const {
        const auto found = nonces_.find(id);
        return found != nonces_.end() ? std::optional(found->second) : std::nullopt;
    }
    [[nodiscard]] std::size_t count() const { return nonces_.size(); }

private:
    struct IdHash {
        std::size_t operator()(const crypto::TokenId& id) const noexcept {
            std::size_t hash;
            std::memcpy(&hash, id.data(), sizeof hash);  // ids are uniformly random
            return hash;
        }
    };
    std::unordered_map<crypto::TokenId, vault::Nonce, IdHash> nonces_;
};

}  // namespace hwvault::service
