// SPDX-License-Identifier: LGPL-2.1-or-later
#include "libclient/index/table.h"

#include <ctime>
#include <new>
#include <utility>

namespace hwvault::index {

Result<std::shared_ptr<const Table>> Table::map(os::Fd index, os::Fd stamps) {
    HWVAULT_TRY(os::SharedMemory table, os::SharedMemory::map(std::move(index), os::SharedMemory::Others::kRead));
    HWVAULT_TRY(os::SharedMemory uses, os::SharedMemory::map(std::move(stamps), os::SharedMemory::Others::kWrite));
    HWVAULT_TRY(const std::uint32_t slots, check_layout(table.data(), table.size()));
    if (uses.size() != stamps_size(slots)) return invalid_argument("The verify index and its stamps are not of one size.");
    return std::shared_ptr<const Table>(new Table(std::move(table), std::move(uses), slots));
}

Table::Table(os::SharedMemory index, os::SharedMemory stamps, std::uint32_t slots)
    : index_(std::move(index)),
      stamps_(std::move(stamps)),
      uses_(std::launder(reinterpret_cast<Stamp*>(stamps_.data()))),
      view_(index_.data(), slots) {}

std::optional<bool> Table::verify(BytesView token, Found& found) const {
    View::Search search;
    const bool is_token = begin(token, search);
    const std::uint64_t time = now();
    const bool active = is_token && view_.finish(search, time, found);
    if (active) note_use(found.slot, time);
    if (!view_.is_trusted(time)) return std::nullopt;
    return active;
}

bool Table::begin(BytesView token, View::Search& search) const {
    if (!view_.begin(token, search)) return false;
    __builtin_prefetch(uses_ + search.place.homes[0]);  // to read: others have it, too
    return true;
}

std::uint64_t Table::now() {
    timespec time{};
    ::clock_gettime(CLOCK_REALTIME_COARSE, &time);
    return static_cast<std::uint64_t>(time.tv_sec);
}

// Written only when it says something new, so that verifiers do not take a line of the cache from each other each time.
void Table::note_use(std::uint32_t slot, std::uint64_t now) const {
    Stamp& stamp = uses_[slot];
    const auto seconds = static_cast<std::uint32_t>(now);
    if (seconds - stamp.load(std::memory_order_relaxed) >= kStampEvery) stamp.store(seconds, std::memory_order_relaxed);
}

}  // namespace hwvault::index
