// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Keeps the device's counter up with the store's epoch: what was revoked stays revoked after the disk is rolled
// back, once the device has been told.
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
#include "daemon/store/store.h"

namespace hwvault::service {

class EpochKeeper : public std::enable_shared_from_this<EpochKeeper> {
public:
    // `device` is where the counter stands; nullopt where the device has none, and then nothing is ever protected.
    EpochKeeper(boost::asio::any_io_executor strand, hardware::Hardware& hardware, store::EpochState epochs,
                std::optional<std::uint64_t> device);
    // `changed` is called each time the device knows everything again, and when it begins to refuse a step.
    void on_change(std::function<void()> changed) { changed_ = std::move(changed); }

    // Tells the device of an epoch that the store has committed.
    void committed(std::uint64_t epoch);
    // Ends the work in the background; the next start goes on with it.
    void stop();
    // Whether the device knows `epoch`, waiting for it until `deadline`.
    boost::asio::awaitable<bool> reached(std::uint64_t epoch, hardware::Deadline deadline);

    [[nodiscard]] std::uint64_t epoch() const { return epochs_.epoch; }
    // Steps that the device is behind; 0 where it has no counter.
    [[nodiscard]] std::uint64_t pending() const;
    // Why the device did not take the last step; none when it did.
    [[nodiscard]] const std::optional<Error>& trouble() const { return trouble_; }

private:
    boost::asio::awaitable<void> catch_up();
    [[nodiscard]] bool knows(std::uint64_t epoch) const;

    boost::asio::any_io_executor strand_;
    hardware::Hardware& hardware_;
    store::EpochState epochs_;
    std::optional<std::uint64_t> device_;
    std::optional<Error> trouble_;
    std::function<void()> changed_{[] {}};
    bool catching_up_{false};
    bool stopped_{false};
    boost::asio::steady_timer pause_;
    std::list<std::pair<std::uint64_t, boost::asio::steady_timer*>> waiting_;  // epochs, and whom to wake
};

}  // namespace hwvault::service
