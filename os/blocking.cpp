// SPDX-License-Identifier: LGPL-2.1-or-later
#include "os/blocking.h"

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <mutex>
#include <system_error>
#include <thread>
#include <vector>

namespace hwvault::os {

struct BlockingThreads::Job {
    enum class State : std::uint8_t { kQueued, kRunning, kFinished, kWithdrawn };
    std::function<void()> call;
    std::function<void()> done;
    State state{State::kQueued};
    bool replaced{false};  // another thread took the place of the one that runs it
};

// Shared with the threads, so that one that hangs may outlive the object. Everything is under `mutex`.
struct BlockingThreads::Core {
    explicit Core(const Limits& given) : limits(given) {}

    const Limits limits;
    std::mutex mutex;
    std::condition_variable work;
    std::condition_variable ended;
    std::deque<std::shared_ptr<Job>> queue;
    std::vector<std::shared_ptr<Job>> running;
    std::size_t takers{0};  // threads that take new calls, or run one that is not given up
    std::size_t hung{0};
    bool closed{false};
};

namespace {

using Core = BlockingThreads::Core;
using Job = BlockingThreads::Job;

// Enough for idle threads to end, so that nothing of theirs is left when the process does.
constexpr std::chrono::seconds kPartingTime{1};

// With the lock held. `done` goes before the lock does: it refers to the strand's context, which lives only as long
// as the object is not closed.
void finish(Core& core, Job& job) {
    if (job.state == Job::State::kRunning) {
        job.state = Job::State::kFinished;
        if (job.done) job.done();
    }
    job.done = nullptr;
    std::erase_if(core.running, [&](const auto& other) { return other.get() == &job; });
    if (job.replaced) {
        --core.hung;
        ++core.takers;
    }
}

void take_calls(const std::shared_ptr<Core>& core) {
    const auto too_many = [&] { return core->closed || core->takers > core->limits.threads; };
    std::unique_lock lock(core->mutex);
    for (;;) {
        core->work.wait(lock, [&] { return too_many() || !core->queue.empty(); });
        if (too_many()) break;
        auto job = std::move(core->queue.front());
        core->queue.pop_front();
        const bool wanted = job->state == Job::State::kQueued;
        if (wanted) {
            job->state = Job::State::kRunning;
            core->running.push_back(job);
        }
        lock.unlock();
        if (wanted) job->call();
        job->call = nullptr;  // closes descriptors and wipes secrets before anybody is told
        lock.lock();
        finish(*core, *job);
    }
    --core->takers;
    core->ended.notify_all();
}

// With the lock held. False when the system has no thread to give.
bool add_thread(const std::shared_ptr<Core>& core) {
    try {
        std::thread([core] { take_calls(core); }).detach();
    } catch (const std::system_error&) {
        return false;
    }
    ++core->takers;
    return true;
}

}  // namespace

BlockingThreads::BlockingThreads(const Limits& limits) : core_(std::make_shared<Core>(limits)) {
    const std::lock_guard lock(core_->mutex);
    for (std::size_t i = 0; i < limits.threads; ++i) add_thread(core_);
}

BlockingThreads::~BlockingThreads() {
    std::unique_lock lock(core_->mutex);
    core_->closed = true;
    for (const auto& job : core_->queue) job->done = nullptr;
    for (const auto& job : core_->running) job->done = nullptr;
    core_->queue.clear();
    core_->work.notify_all();
    core_->ended.wait_for(lock, kPartingTime, [&] { return core_->takers == 0; });
}

std::shared_ptr<BlockingThreads::Job> BlockingThreads::start(std::function<void()> call, std::function<void()> done) {
    auto job = std::make_shared<Job>();
    job->call = std::move(call);
    job->done = std::move(done);
    const std::lock_guard lock(core_->mutex);
    const std::size_t waiting = core_->queue.size();
    const bool accepted = waiting < core_->limits.queue;
    if (!accepted) job->state = Job::State::kWithdrawn;
    // One that is refused goes to a thread too, as far as there is room, to be destroyed: that may wait as well.
    if (waiting < 2 * core_->limits.queue) core_->queue.push_back(job);
    core_->work.notify_one();
    return accepted ? job : nullptr;
}

bool BlockingThreads::withdraw(const std::shared_ptr<Core>& core, const std::shared_ptr<Job>& job) {
    const std::lock_guard lock(core->mutex);
    if (job->state == Job::State::kFinished) return false;
    if (job->state == Job::State::kRunning && core->hung < core->limits.hung && add_thread(core)) {
        job->replaced = true;
        ++core->hung;
        --core->takers;
    }
    job->state = Job::State::kWithdrawn;
    job->done = nullptr;
    return true;
}

}  // namespace hwvault::os
