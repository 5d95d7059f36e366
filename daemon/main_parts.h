// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What serving and the administrator's commands both stand on: the settings, the strand, the thread of the store, the
// connection to the hardware child, and the lock that keeps two of them from working with one vault.
#pragma once

#include <functional>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/thread_pool.hpp>

#include "daemon/hardware/client.h"
#include "daemon/service/opening.h"
#include "daemon/settings.h"
#include "daemon/vault/record.h"
#include "foundation/result.h"

namespace hwvault {

struct Parts {
    Parts(Settings settings_read, hardware::Options device)
        : settings(std::move(settings_read)), hardware(hardware::Client::create(io.get_executor(), std::move(device))) {}

    using Work = std::function<boost::asio::awaitable<Result<void>>()>;
    // Runs `work` to its end, and waits until everything that it began has ended too. kBusy when another hwvaultd works
    // with this vault.
    Result<void> run(const Work& work);

    // What opening the vault takes; refers to this object.
    [[nodiscard]] service::OpeningParts opening();

    Settings settings;
    boost::asio::io_context io{1};
    boost::asio::thread_pool store_thread{1};
    std::unique_ptr<hardware::Client> hardware;
};

vault::UnixTime clock_now();

}  // namespace hwvault
