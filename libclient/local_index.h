// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The vault's verify index in this process, as far as the vault has handed it over: which table a thread looks up in, and when
// it is time to ask the vault for one.
//
// Each thread keeps the table that it used last, so that a look-up takes no lock and counts nothing up and down; a table is
// unmapped when the last thread has let go of it, at its next look-up or its end. Thread-safe.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <mutex>

#include "libclient/index/table.h"

namespace hwvault::libclient {

class LocalIndex {
public:
    // After the vault has said that it is not for this caller, which may change with its rules; and after anything else, as
    // that it is making a new one.
    static constexpr auto kAfterRefusal = std::chrono::seconds(60);
    static constexpr auto kAfterTrouble = std::chrono::milliseconds(200);

    LocalIndex();
    LocalIndex(const LocalIndex&) = delete;
    LocalIndex& operator=(const LocalIndex&) = delete;

    // Null when there is none, and in a process that was forked. Valid until this thread's next call.
    const index::Table* table() {
        if (forks_ != forks.load(std::memory_order_relaxed)) return nullptr;
        const Last& last = last_table;
        if (last.id == id_ && last.version == version_.load(std::memory_order_acquire)) return last.table;
        return next_table();
    }
    // True for one caller at a time, when the vault should be asked: there is no table to trust. end_asking() must follow.
    bool begin_asking();
    void end_asking(std::shared_ptr<const index::Table> table);
    void end_asking(std::chrono::milliseconds ask_again_after);

private:
    // What a thread looked up in last. Of a kind that needs no making and no end, so that reaching it takes no check; a sibling,
    // which does, keeps the table.
    struct Last {
        std::uint64_t id;
        std::uint64_t version;
        const index::Table* table;
        bool is_over;  // the thread is ending
    };
    struct Kept;
    static constinit thread_local Last last_table;
    static thread_local Kept kept_table;
    // How often this process, or those that it comes from, was forked since the library is loaded: getpid(2) would be a system call.
    static std::atomic<unsigned> forks;

    const index::Table* next_table();
    void set(std::shared_ptr<const index::Table> table);

    const unsigned forks_;                 // of this process when this was made
    const std::uint64_t id_;               // of this object among all that ever were
    std::atomic<std::uint64_t> version_{1};  // grows with each change of current_
    std::mutex mutex_;
    std::shared_ptr<const index::Table> current_;
    bool asking_{false};
    std::chrono::steady_clock::time_point ask_at_{};
};

}  // namespace hwvault::libclient
