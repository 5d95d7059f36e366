// SPDX-License-Identifier: LGPL-2.1-or-later
#include "daemon/hardware/child/work_queue.h"

#include <utility>

namespace hwvault::hardware::child {

bool WorkQueue::push(Job job) {
    const std::lock_guard lock(mutex_);
    if (closed_ || jobs_.size() >= capacity_) return false;
    jobs_.push_back(std::move(job));
    changed_.notify_one();
    return true;
}

void WorkQueue::grow_to(std::size_t count) {
    const std::lock_guard lock(mutex_);
    while (!closed_ && threads_.size() < count) threads_.emplace_back([this] { work(); });
}

void WorkQueue::close() {
    std::vector<std::thread> threads;
    {
        const std::lock_guard lock(mutex_);
        closed_ = true;
        jobs_.clear();
        threads.swap(threads_);
        changed_.notify_all();
    }
    for (std::thread& thread : threads) thread.join();
}

void WorkQueue::work() {
    std::unique_lock lock(mutex_);
    for (;;) {
        changed_.wait(lock, [this] { return closed_ || !jobs_.empty(); });
        if (closed_) return;
        const Job job = std::move(jobs_.front());
        jobs_.pop_front();
        lock.unlock();
        job();
        lock.lock();
    }
}

}  // namespace hwvault::hardware::child
