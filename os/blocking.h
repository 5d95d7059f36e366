// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Calls that may block for ever (the name service, a descriptor that somebody else holds the other end of), run on
// threads of their own under a deadline.
//
// The one who waits goes on at the deadline, whatever the call does. A call that hangs keeps its thread, and another
// thread takes its place, up to a cap; beyond it, and beyond the queue's, answers are kBusy: nothing here ever blocks
// the strand or grows without a bound.
#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>

#include "foundation/result.h"
#include "os/asio.h"

namespace hwvault::os {

class BlockingThreads {
public:
    struct Limits {
        std::size_t threads{2};  // that take new calls
        std::size_t queue{256};  // calls that wait for one
        std::size_t hung{14};    // threads given up for a call that missed its deadline
    };

    explicit BlockingThreads(const Limits& limits);
    // Answers that are under way become kBusy at their deadline. Threads that are idle end; one that hangs is left
    // behind, and touches nothing but what its own call holds. Destroy this before the executor's context.
    ~BlockingThreads();
    BlockingThreads(const BlockingThreads&) = delete;
    BlockingThreads& operator=(const BlockingThreads&) = delete;

    // Runs `call` and gives its result on `strand`, which must be serial and the one this is awaited on. kBusy with
    // the sentence `too_late` when the queue is full or the deadline passes; the call's result is dropped then.
    // `call` is destroyed on a thread too, whatever comes of it; only when as many refused ones as the queue takes
    // wait for that, the next is destroyed here.
    template <class T>
    boost::asio::awaitable<Result<T>> run(boost::asio::any_io_executor strand, std::function<Result<T>()> call,
                                          std::chrono::milliseconds deadline, std::string too_late);

    // Runs `call` on a thread, once there is one; nobody hears of it, and one that hangs keeps its thread for good. It is
    // destroyed as above, and without having run when the queue is full.
    void run_unwatched(std::function<void()> call) { static_cast<void>(start(std::move(call), nullptr)); }

    struct Core;
    struct Job;

private:
    // nullptr when the queue is full. `done`, if any, is called once on one of the threads, unless withdrawn before.
    std::shared_ptr<Job> start(std::function<void()> call, std::function<void()> done);
    // True when the call had not finished: its `done` is not called any more. Works after the object is gone.
    static bool withdraw(const std::shared_ptr<Core>& core, const std::shared_ptr<Job>& job);

    std::shared_ptr<Core> core_;
};

template <class T>
boost::asio::awaitable<Result<T>> BlockingThreads::run(boost::asio::any_io_executor strand,
                                                       std::function<Result<T>()> call,
                                                       std::chrono::milliseconds deadline, std::string too_late) {
    auto result = std::make_shared<std::optional<Result<T>>>();
    auto timer = std::make_shared<boost::asio::steady_timer>(strand, deadline);
    const auto core = core_;
    auto job = start([call = std::move(call), result] { result->emplace(call()); },
                     [timer, strand] { boost::asio::post(strand, [timer] { timer->cancel(); }); });
    if (!job) co_return Error{ErrorCode::kBusy, std::move(too_late)};
    co_await timer->async_wait(kAsTuple);
    if (withdraw(core, job)) co_return Error{ErrorCode::kBusy, std::move(too_late)};
    co_return std::move(**result);
}

}  // namespace hwvault::os
