// SPDX-License-Identifier: LGPL-2.1-or-later
//
// A token where it does not belong: put into whatever a fuzzer is given, at a place that the input itself decides. No
// text that a parser makes of it, for a log or an answer, may say half of its secret.
#pragma once

#include <cstdlib>
#include <string>
#include <string_view>

#include "crypto/digest.h"

namespace hwvault::fuzz {

constexpr std::string_view kCanary = "hwv_CANARYtokENeR7kQ2mZx9LwV4bHc8JpYs3TnGd6FuAe5RiKo1XvMq0BNmWZ";
constexpr std::size_t kCanarySecretAt = 14;  // after the prefix and the id, which are not secret
constexpr std::size_t kCanarySecretSize = 43;
static_assert(kCanary.size() == 63);

inline std::string with_canary(std::string_view input) {
    const crypto::Digest chance = crypto::sha256(bytes_of(input));
    const std::size_t place = (chance[0] + 256U * chance[1]) % (input.size() + 1);
    return std::string(input.substr(0, place)).append(kCanary).append(input.substr(place));
}

inline bool says_half(std::string_view said) {
    constexpr std::size_t kHalf = kCanarySecretSize / 2;
    for (std::size_t at = 0; at + kHalf <= kCanarySecretSize; ++at) {
        if (said.find(kCanary.substr(kCanarySecretAt + at, kHalf)) != std::string_view::npos) return true;
    }
    return false;
}

inline void require_silent(std::string_view said) {
    if (says_half(said)) std::abort();
}

// An input for which a fuzzer returns kNotLookedAt: libFuzzer finds parts of the canary out by itself, from what is compared,
// and a part is an ordinary word.
inline bool knows_canary(std::string_view input) { return says_half(input); }
constexpr int kNotLookedAt = -1;

}  // namespace hwvault::fuzz
