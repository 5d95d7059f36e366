// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Has the device sign the set of records soon after it has changed, so that recovery can tell what the vault wrote from
// what somebody else wrote into its file (docs/formats/checkpoint.md, docs/formats/escrow.md).
//
// In the background: no change waits for it. Changes within a second share a checkpoint; a device that is away is tried
// again. Lives on the service's strand, the store's work on a thread of its own; not thread-safe.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/thread_pool.hpp>

#include "daemon/hardware/hardware.h"
#include "daemon/service/signal.h"
#include "daemon/store/store.h"

namespace hwvault::service {

// Has the records signed once, and keeps that as the store's newest checkpoint. A child that has signed higher sequences,
// for another vault or before a rollback, makes this one jump. Gives how long the store was kept from other work.
boost::asio::awaitable<Result<std::chrono::steady_clock::duration>> sign_records(boost::asio::thread_pool& store_thread,
                                                                                 store::Store& store,
                                                                                 hardware::Hardware& hardware);

class Checkpointer : public std::enable_shared_from_this<Checkpointer> {
public:
    static constexpr auto kDelay = std::chrono::seconds(1);   // in which changes gather
    static constexpr auto kPauseAfterFailure = std::chrono::seconds(5);
    // Of a store so large that taking the set's digest shows, no more than this part of the store's time.
    static constexpr int kShare = 20;

    struct Parts {
        boost::asio::any_io_executor strand;
        boost::asio::thread_pool& store_thread;
        store::Store& store;
        hardware::Hardware& hardware;
    };
    explicit Checkpointer(Parts parts) : parts_(parts), pause_(parts.strand), ended_(parts.strand) {}

    // Records were committed that are under no signature yet.
    void changed();
    // Has what is still unsigned signed, if the device answers, and ends.
    boost::asio::awaitable<void> stop();

    // Changes that are under no signature yet; a lower bound after a start.
    [[nodiscard]] std::uint64_t pending() const { return pending_; }

private:
    boost::asio::awaitable<void> run();
    boost::asio::awaitable<void> wait(std::chrono::steady_clock::duration time);

    Parts parts_;
    boost::asio::steady_timer pause_;
    Signal ended_;
    std::uint64_t pending_{0};
    bool running_{false};
    bool stopped_{false};
};

}  // namespace hwvault::service
