// SPDX-License-Identifier: LGPL-2.1-or-later
#include "libclient/local_index.h"

#include <utility>

#include <pthread.h>

namespace hwvault::libclient {
namespace {

using std::chrono::steady_clock;

std::atomic<std::uint64_t> last_id{0};

}  // namespace

constinit thread_local LocalIndex::Last LocalIndex::last_table{0, 0, nullptr, false};
constinit std::atomic<unsigned> LocalIndex::forks{0};

// Goes with its thread; what looks up in that thread after it finds none.
struct LocalIndex::Kept {
    Kept() = default;
    Kept(const Kept&) = delete;
    Kept& operator=(const Kept&) = delete;
    ~Kept() { last_table = {0, 0, nullptr, true}; }
    std::shared_ptr<const index::Table> table;
};
thread_local LocalIndex::Kept LocalIndex::kept_table;

LocalIndex::LocalIndex() : forks_(forks.load(std::memory_order_relaxed)), id_(++last_id) {
    [[maybe_unused]] static const int kRegistered = ::pthread_atfork(nullptr, nullptr, [] { ++forks; });
}

const index::Table* LocalIndex::next_table() {
    if (last_table.is_over) return nullptr;
    std::shared_ptr<const index::Table> before;  // let go of without the lock
    const std::lock_guard lock(mutex_);
    before = std::exchange(kept_table.table, current_);
    last_table = {id_, version_.load(std::memory_order_relaxed), kept_table.table.get(), false};
    return last_table.table;
}

bool LocalIndex::begin_asking() {
    const std::lock_guard lock(mutex_);
    if (forks_ != forks.load(std::memory_order_relaxed) || asking_ || steady_clock::now() < ask_at_) return false;
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
