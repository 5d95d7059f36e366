// SPDX-License-Identifier: LGPL-2.1-or-later
#include "libclient/local_index.h"

#include <utility>

#include <pthread.h>

namespace hwvault::libclient {
namespace {

using std::chrono::steady_clock;

std::atomic<std::uint64_t> last_id{0};

// What this thread looked up in last.
struct Kept {
    std::uint64_t id{0};
    std::uint64_t version{0};
    std::shared_ptr<const index::Table> table;
};
thread_local Kept kept;

// How often this process, or those that it comes from, was forked since the library is loaded: getpid(2) would be a system call.
std::atomic<unsigned> fork_count{0};
[[maybe_unused]] const int kRegistered = ::pthread_atfork(nullptr, nullptr, [] { ++fork_count; });

unsigned forks() {
    return fork_count.load(std::memory_order_relaxed);
}

}  // namespace

LocalIndex::LocalIndex() : forks_(forks()), id_(++last_id) {}

const index::Table* LocalIndex::table() {
    if (forks_ != forks()) return nullptr;
    if (kept.id == id_ && kept.version == version_.load(std::memory_order_acquire)) return kept.table.get();
    std::shared_ptr<const index::Table> before;  // let go of without the lock
    const std::lock_guard lock(mutex_);
    before = std::exchange(kept.table, current_);
    kept.id = id_;
    kept.version = version_.load(std::memory_order_relaxed);
    return kept.table.get();
}

bool LocalIndex::begin_asking() {
    const std::lock_guard lock(mutex_);
    if (forks_ != forks() || asking_ || steady_clock::now() < ask_at_) return false;
    if (current_ != nullptr && current_->is_trusted()) return false;  // another thread has just got it
    if (current_ != nullptr) set(nullptr);
    asking_ = true;
    return true;
}

void LocalIndex::end_asking(std::shared_ptr<const index::Table> table) {
    const std::lock_guard lock(mutex_);
    asking_ = false;
    set(std::move(table));
}

void LocalIndex::end_asking(std::chrono::milliseconds ask_again_after) {
    const std::lock_guard lock(mutex_);
    asking_ = false;
    ask_at_ = steady_clock::now() + ask_again_after;
}

void LocalIndex::set(std::shared_ptr<const index::Table> table) {
    current_ = std::move(table);
    version_.fetch_add(1, std::memory_order_release);
}

}  // namespace hwvault::libclient
