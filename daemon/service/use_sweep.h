// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Brings to the store when tokens were last used, so that a restart does not forget it: what was used since the last sweep, every
// ten minutes and at a regular end. A crash loses what came after the last one.
//
// In pieces, on the strand as in the store, so that no change waits for more than one of them. Nothing hangs on it: a disk that is
// full, nearly full or does not answer is left alone, and what it could not take is for the next sweep.
//
// Lives on the service's strand and never blocks it; not thread-safe.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/thread_pool.hpp>

#include "daemon/service/last_uses.h"
#include "daemon/service/signal.h"
#include "daemon/service/verify_index.h"
#include "daemon/store/store.h"

namespace hwvault::service {

class UseSweep : public std::enable_shared_from_this<UseSweep> {
public:
    static constexpr std::chrono::milliseconds kInterval = std::chrono::minutes(10);
    // In one transaction: some 0.5 ms, and the disk's sync.
    static constexpr std::size_t kAtOnce = 400;
    static constexpr std::size_t kAtOnceAtStop = 16'384;  // nobody waits for the store then, but the stop has its time
    // Put in the order of the file before they are written, in 8 MB of memory: where a million tokens are in use, each page is
    // written four times a sweep, and not each time that one of its tokens comes.
    static constexpr std::size_t kInOrder = 262'144;
    static constexpr auto kAtStop = std::chrono::seconds(10);  // that the last sweep may take: a million tokens take some 3

    struct Parts {
        boost::asio::any_io_executor strand;
        boost::asio::thread_pool& store_thread;
        boost::asio::thread_pool& background;  // where they are put in order
        store::Store& store;
        std::shared_ptr<const VerifyIndex> index;
        const LastUses& last_uses;
        std::function<vault::UnixTime()> clock;
        std::function<bool()> disk_has_room;  // and answers, as far as is known
        // Uses cannot be saved: a sentence for the log, once until they can.
        std::function<void(const std::string&)> trouble;
        std::chrono::milliseconds interval;
    };
    explicit UseSweep(Parts parts);

    void start();
    // Sweeps for the last time; ends once the store is left alone. Called once, when nothing is used any more.
    boost::asio::awaitable<void> stop();

private:
    struct Gathering;

    boost::asio::awaitable<void> run();
    boost::asio::awaitable<void> sweep();
    boost::asio::awaitable<Result<void>> save_all();
    [[nodiscard]] Result<void> has_time() const;
    void gather_some(Gathering& gathering) const;
    boost::asio::awaitable<Result<void>> save(std::vector<store::LastUse> uses);

    Parts parts_;
    boost::asio::steady_timer pause_;
    Signal ended_;
    std::chrono::steady_clock::time_point stop_by_{};
    // Since when either may have what was not saved. What was loaded was; but what the trail alone tells was not.
    vault::UnixTime verified_since_;
    vault::UnixTime retrieved_since_{0};
    bool failing_{false};
    bool running_{false};
    bool stopping_{false};
};

}  // namespace hwvault::service
