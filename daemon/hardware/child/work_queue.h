// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Threads that take jobs in the order in which they came: as many as the device can work on at once. The queue is
// bounded; what does not fit is refused, not waited for. Thread-safe.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace hwvault::hardware::child {

class WorkQueue {
public:
    using Job = std::function<void()>;

    explicit WorkQueue(std::size_t capacity) : capacity_(capacity) {}
    WorkQueue(const WorkQueue&) = delete;
    WorkQueue& operator=(const WorkQueue&) = delete;
    ~WorkQueue() { close(); }

    // False when the queue is full or closed.
    [[nodiscard]] bool push(Job job);
    // Makes at least `count` threads; never fewer than there are.
    void grow_to(std::size_t count);
    // Drops what waits, and waits for the jobs under way. Nothing is taken afterwards.
    void close();

private:
    void work();

    const std::size_t capacity_;
    std::mutex mutex_;
    std::condition_variable changed_;
    std::deque<Job> jobs_;
    bool closed_{false};
    std::vector<std::thread> threads_;
};

}  // namespace hwvault::hardware::child
