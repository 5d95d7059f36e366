// SPDX-License-Identifier: LGPL-2.1-or-later
#include "daemon/main_parts.h"

#include <ctime>
#include <filesystem>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>

#include "os/file.h"

namespace hwvault {
namespace {

// One hwvaultd at a time, in every state of the vault: the hardware child serves one alone, so that two would take it from
// each other. No lock where the folder is not there, which is said later.
Result<os::Fd> lock_state(const std::filesystem::path& state) {
    if (!std::filesystem::is_directory(state)) return os::Fd();
    auto lock = os::lock_folder(state);
    if (lock || lock.error().code != ErrorCode::kBusy) return lock;
    return Error{ErrorCode::kBusy, "Another hwvaultd works with the vault in " + state.string() + ". Stop it first; where systemd runs it, `hwvault init` and `hwvault recover` do."};
}

}  // namespace

Result<void> Parts::run(const Work& work) {
    HWVAULT_TRY(const os::Fd own, lock_state(settings.state));
    Result<void> outcome{Error{ErrorCode::kInternal, "hwvaultd ended before its work was done."}};
    const auto to_the_end = [&]() -> boost::asio::awaitable<void> {
        outcome = co_await work();
        co_await hardware->stop();
    };
    boost::asio::co_spawn(io, to_the_end, boost::asio::detached);
    io.run();
    return outcome;
}

service::OpeningParts Parts::opening() {
    return {.store_thread = store_thread,
            .hardware = *hardware,
            .store_file = settings.store_file(),
            .quotas = settings.quotas,
            .anti_rollback = settings.anti_rollback,
            .recipient_file = settings.recipient,
            .administered_by = settings.administered_by};
}

vault::UnixTime clock_now() {
    return static_cast<vault::UnixTime>(std::time(nullptr));  // without the fractions, which take most of the time to read
}

}  // namespace hwvault
