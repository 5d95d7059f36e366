// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Says which epoch each commit has, and keeps the device's counter up with it: what was revoked stays revoked after the
// disk is rolled back, once the device has been told.
//
// Advances are one step a call and happen in the background, in order; a device that is gone is tried again when
// it is back. Lives on the service's strand; not thread-safe.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <optional>
#include <utility>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/steady_timer.hpp>

#include "daemon/hardware/hardware.h"
#include "daemon/service/anti_rollback.h"
#include "daemon/store/store.h"

namespace hwvault::service {

class EpochKeeper : public std::enable_shared_from_this<EpochKeeper> {
public:
    struct Parts {
        boost::asio::any_io_executor strand;
        hardware::Hardware& hardware;
        store::EpochState epochs;
        std::optional<std::uint64_t> device;  // where the counter stands; none: then nothing is ever protected
        AntiRollback mode{AntiRollback::kStrict};
        std::chrono::milliseconds batch_interval{kBatchInterval};
    };
    explicit EpochKeeper(Parts parts);
    // A store that is ahead of the device is the latest one: the device was not told before a crash, and is now. What was
    // taken away by a commit without an epoch of its own, before the start and in whichever mode, is a batch that is open:
    // it ends within the interval, and with kStrict at once.
    void start();

    // `changed` is called each time the device knows everything again, and when it begins to refuse a step.
    void on_change(std::function<void()> changed) { changed_ = std::move(changed); }
    // `ended` is called when a batch is over, so that a commit is made even if there is nothing else to write.
    void on_batch_end(std::function<void()> ended) { batch_ended_ = std::move(ended); }

    // The epoch that the next commit must have; `withdraws`: it takes trust away.
    [[nodiscard]] std::uint64_t of_next_commit(bool withdraws) const;
    // Whether that commit leaves something that was taken away without an epoch.
    [[nodiscard]] bool leaves_unprotected(bool withdraws) const;
    // Whether that is a new one though nothing is taken away: the end of a batch.
    [[nodiscard]] bool is_batch_over() const { return batch_is_over_; }
    // A commit of this epoch is durable; `unprotected`: as leaves_unprotected() said. Tells the device of a new epoch, and
    // gives it, since from then on the device protects what the commit took away; none: not by this commit.
    std::optional<std::uint64_t> committed(std::uint64_t epoch, bool unprotected);
    // Ends a batch that is under way, with the next commit.
    void end_batch();
    // Ends the work in the background; the next start goes on with it.
    void stop();
    // Whether the device knows `epoch`, waiting for it until `deadline`.
    boost::asio::awaitable<bool> reached(std::uint64_t epoch, hardware::Deadline deadline);

    [[nodiscard]] std::uint64_t epoch() const { return epochs_.epoch; }
    // Steps that the device is behind; 0 where it has no counter.
    [[nodiscard]] std::uint64_t pending() const;
    // Whether something was taken away that is in no epoch yet.
    [[nodiscard]] bool has_open_batch() const { return device_ && epochs_.unprotected; }
    // Why the device did not take the last step; none when it did.
    [[nodiscard]] const std::optional<Error>& trouble() const { return trouble_; }

private:
    void tell_device();
    boost::asio::awaitable<void> catch_up();
    [[nodiscard]] bool knows(std::uint64_t epoch) const;

    void time_batch();
    boost::asio::awaitable<void> run_batch();

    boost::asio::any_io_executor strand_;
    hardware::Hardware& hardware_;
    store::EpochState epochs_;
    std::optional<std::uint64_t> device_;
    AntiRollback mode_;
    std::chrono::milliseconds batch_interval_;
    std::optional<Error> trouble_;
    std::function<void()> changed_{[] {}};
    std::function<void()> batch_ended_{[] {}};
    bool batch_is_over_{false};
    bool batch_runs_{false};
    bool catching_up_{false};
    bool stopped_{false};
    boost::asio::steady_timer pause_;
    boost::asio::steady_timer batch_timer_;
    std::list<std::pair<std::uint64_t, boost::asio::steady_timer*>> waiting_;  // epochs, and whom to wake
};

}  // namespace hwvault::service
