// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What all threads of a run share: the tokens that were made, which of them to verify, and what was wrong.
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <deque>
#include <memory>
#include <mutex>
#include <random>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <boost/json.hpp>

#include <hwvault/hwvault.h>

#include "tests/exactness/history.h"

namespace hwvault::exactness {

using Random = std::minstd_rand;

constexpr std::size_t kMaxGenerations = 1 << 20;

inline Time now() {
    return std::chrono::nanoseconds(std::chrono::steady_clock::now().time_since_epoch()).count();
}

inline std::size_t below(Random& random, std::size_t limit) {
    return std::uniform_int_distribution<std::size_t>(0, limit - 1)(random);
}

// One generation of a token. Its life is its changer's until all threads have ended; the rest stays.
struct Generation {
    std::size_t number;  // among all
    std::string text;
    std::string account;
    std::string name;
    std::uint64_t generation;
    Life life;
};

class Run {
public:
    explicit Run(std::string socket) : address(std::move(socket)) {}

    Generation* add(Generation generation) {
        const std::lock_guard lock(mutex_);
        generation.number = all_.size();
        if (generation.number == kMaxGenerations) return nullptr;
        Generation* const added = &all_.emplace_back(std::move(generation));
        shown_[added->number].store(added, std::memory_order_release);
        count_.store(all_.size(), std::memory_order_release);
        return added;
    }
    // Which to verify: one that changes at this moment, that is in its overlap, that is new, or any. Null: there is none yet.
    const Generation* pick(Random& random) const {
        const std::size_t count = count_.load(std::memory_order_acquire);
        if (count == 0) return nullptr;
        const Generation* found = nullptr;
        switch (below(random, 4)) {
            case 0: found = changing[below(random, changing.size())].load(std::memory_order_acquire); break;
            case 1: found = overlapping[below(random, overlapping.size())].load(std::memory_order_acquire); break;
            case 2: found = shown_[count - 1 - below(random, std::min<std::size_t>(count, 64))].load(std::memory_order_acquire); break;
            default: break;
        }
        return found != nullptr ? found : shown_[below(random, count)].load(std::memory_order_acquire);
    }
    void wrong(const std::string& sentence) {
        const std::lock_guard lock(mutex_);
        if (++wrong_count_ <= 20) wrong_.push_back(sentence);
    }

    // After all threads have ended.
    const std::deque<Generation>& all() const { return all_; }
    boost::json::object report() const {
        boost::json::array sentences;
        for (const std::string& sentence : wrong_) sentences.emplace_back(sentence);
        return {{"wrong_count", wrong_count_}, {"wrong", sentences}, {"generations", all_.size()},
                {"in_process", in_process.load()}, {"over_sockets", over_sockets.load()}};
    }

    const std::string address;
    std::atomic<bool> over{false};
    std::array<std::atomic<const Generation*>, 4> changing{};
    std::array<std::atomic<const Generation*>, 16> overlapping{};
    std::atomic<std::uint64_t> in_process{0};
    std::atomic<std::uint64_t> over_sockets{0};

private:
    std::mutex mutex_;
    std::deque<Generation> all_;
    std::unique_ptr<std::atomic<const Generation*>[]> shown_{new std::atomic<const Generation*>[kMaxGenerations]{}};
    std::atomic<std::size_t> count_{0};
    std::uint64_t wrong_count_{0};
    std::vector<std::string> wrong_;
};

struct CloseClient {
    void operator()(hwvault_client* client) const { hwvault_close(client); }
};
using Client = std::unique_ptr<hwvault_client, CloseClient>;

inline Client open_client(const std::string& address) {
    hwvault_client* client = nullptr;
    if (hwvault_open(address.c_str(), &client) != HWVAULT_OK) throw std::runtime_error(hwvault_error_message());
    hwvault_set_timeout(client, 60'000);  // a call that is not answered was lost with its daemon, and is not carried out later
    return Client(client);
}

// That the vault is away or not ready: whether the call was carried out is not known.
inline bool is_lost(int code) {
    return code == HWVAULT_ERROR_UNREACHABLE || code == HWVAULT_ERROR_BUSY || code == HWVAULT_ERROR_HARDWARE_UNAVAILABLE;
}

}  // namespace hwvault::exactness
