// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Waiting for what another thread is about to do.
#pragma once

#include <chrono>
#include <functional>
#include <thread>

namespace hwvault::tests {

constexpr auto kPatience = std::chrono::seconds(20);  // for what must happen; reached only when a test fails

// True once `condition` holds; false when it does not within kPatience.
inline bool eventually(const std::function<bool()>& condition) {
    const auto end = std::chrono::steady_clock::now() + kPatience;
    while (!condition()) {
        if (std::chrono::steady_clock::now() > end) return false;
        std::this_thread::sleep_for(std::chrono::milliseconds(2));
    }
    return true;
}

}  // namespace hwvault::tests
