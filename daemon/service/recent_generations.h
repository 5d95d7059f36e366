// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What the vault does not keep of a generation (vault/record.h), of those that were retrieved or made a short while ago, so that
// who retrieves a string again does not wait for the store. None of it is secret, and what has an id has it for ever.
//
// At most kMost; when there are as many it begins anew. Pure; not thread-safe.
#pragma once

#include <cstring>
#include <optional>
#include <unordered_map>

#include "daemon/vault/record.h"

namespace hwvault::service {

class RecentGenerations {
public:
    static constexpr std::size_t kMost = 10'000;

    // As it came from the store, or is about to go there. What it does not tell of one that is known stays.
    void saw(const vault::Generation& generation) {
        const auto known = kept_.find(generation.id);
        if (known != kept_.end()) {
            if (generation.hash) known->second.hash = generation.hash;
        } else if (generation.nonce) {
            if (kept_.size() >= kMost) kept_.clear();
            kept_.insert_or_assign(generation.id, Kept{*generation.nonce, generation.hash});
        }
    }
    // Fills in what is missing. False when that is not known.
    [[nodiscard]] bool complete(vault::Generation& generation) const {
        const auto known = kept_.find(generation.id);
        if (known == kept_.end() || generation.given != known->second.hash.has_value()) return false;
        generation.nonce = known->second.nonce;
        generation.hash = known->second.hash;
        return true;
    }
    [[nodiscard]] std::size_t count() const { return kept_.size(); }

private:
    struct Kept {
        vault::Nonce nonce;
        std::optional<crypto::Digest> hash;
    };
    struct IdHash {
        std::size_t operator()(const crypto::TokenId& id) const noexcept {
            std::size_t hash;
            std::memcpy(&hash, id.data(), sizeof hash);  // ids are uniformly random
            return hash;
        }
    };
    std::unordered_map<crypto::TokenId, Kept, IdHash> kept_;
};

}  // namespace hwvault::service
