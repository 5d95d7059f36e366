// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Has the device sign how the vault stands, soon after it has changed: the head of the audit trail, so that nobody can
// write another trail up to there, and in a vault with recovery the set of records, so that recovery can tell what the
// vault wrote from what somebody else wrote into its file (docs/formats/checkpoint.md, docs/formats/escrow.md).
//
// In the background: no change waits for it, and a device that is away is tried again. Lives on the service's strand, the
// store's work on a thread of its own; not thread-safe.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/thread_pool.hpp>

#include "daemon/hardware/hardware.h"
#include "daemon/service/signal.h"
#include "daemon/store/store.h"

namespace hwvault::service {

// Puts a signed checkpoint on the trail and into the store.
using KeepCheckpoint = std::function<boost::asio::awaitable<Result<void>>(vault::SignedCheckpoint)>;

// Has the device sign once, and keeps that. A child that has signed higher sequences, for another vault or before a
// rollback, makes this one jump. Gives how long the store was kept from other work.
boost::asio::awaitable<Result<std::chrono::steady_clock::duration>> make_checkpoint(boost::asio::thread_pool& store_thread,
                                                                                    store::Store& store,
                                                                                    hardware::Hardware& hardware,
                                                                                    KeepCheckpoint keep);

class Checkpointer : public std::enable_shared_from_this<Checkpointer> {
public:
    // In which changes of a vault with recovery gather: what is lost before is not recovered.
    static constexpr auto kRecordDelay = std::chrono::seconds(1);
    // In which events gather: until then the store alone vouches for them. So many of them are not waited for.
    static constexpr auto kTrailDelay = std::chrono::seconds(60);
    static constexpr std::uint64_t kTrailEvents = 10'000;
    static constexpr auto kPauseAfterFailure = std::chrono::seconds(5);
    // Of a store so large that taking the set's digest shows, no more than this part of the store's time.
    static constexpr int kShare = 20;

    struct Parts {
        boost::asio::any_io_executor strand;
        boost::asio::thread_pool& store_thread;
        store::Store& store;
        hardware::Hardware& hardware;
        KeepCheckpoint keep;
    };
    explicit Checkpointer(Parts parts) : parts_(std::move(parts)), pause_(parts_.strand), ended_(parts_.strand) {}

    // Records were committed that are under no signature yet; in a vault with recovery.
    void changed();
    // So many events were.
    void recorded(std::uint64_t events);
    // Has what is still unsigned signed, if the device answers, and ends.
    boost::asio::awaitable<void> stop();

    // Changes of records that are under no signature yet; a lower bound after a start.
    [[nodiscard]] std::uint64_t pending() const { return records_; }

private:
    using Clock = std::chrono::steady_clock;

    void begin();
    boost::asio::awaitable<void> run();
    boost::asio::awaitable<void> wait_until_due();
    [[nodiscard]] Clock::time_point due() const;

    Parts parts_;
    boost::asio::steady_timer pause_;
    Signal ended_;
    std::uint64_t records_{0};
    std::uint64_t events_{0};
    Clock::time_point unsigned_since_{};
    Clock::time_point not_before_{};
    bool running_{false};
    bool stopped_{false};
};

}  // namespace hwvault::service
