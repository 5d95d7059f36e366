// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Brings the trail from the store, where each entry is part of its commit, to the audit files and the journal.
//
// In the background, and always from the store: nothing waits for it, and nothing is lost by it. A log disk that is full
// or hangs makes entries wait in the store, up to kMaxUnwritten (then Committer::record() refuses); files that were
// deleted, replaced, cut or put back are noticed, said in Status and on the trail itself, put aside, and made again from
// what the store still has.
//
// Lives on the service's strand and never blocks it; not thread-safe.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/thread_pool.hpp>

#include "daemon/audit/sink.h"
#include "daemon/service/signal.h"
#include "daemon/store/store.h"
#include "os/blocking.h"

namespace hwvault::service {

class AuditExport : public std::enable_shared_from_this<AuditExport> {
public:
    static constexpr std::size_t kAtOnce = 4'096;             // entries in one append
    static constexpr std::uint64_t kMaxUnwritten = 1'000'000; // entries that wait in the store, some 400 bytes each
    static constexpr auto kPause = std::chrono::milliseconds(200);  // between appends, so that one sync serves many
    static constexpr auto kPauseAfterFailure = std::chrono::seconds(5);
    static constexpr auto kPatience = std::chrono::seconds(10);     // that one call of the sink may take
    static constexpr auto kAtStop = std::chrono::seconds(2);        // that stop() waits until all is written

    struct Parts {
        boost::asio::any_io_executor strand;
        boost::asio::thread_pool& store_thread;
        store::Store& store;
        std::shared_ptr<audit::Sink> sink;
        vault::Id vault{};
        std::uint64_t written{0};  // the store says that the files have the entries up to this one
        std::function<void(const vault::EventLink&)> journal;  // called on a thread of its own; may block for ever
        // The files cannot be written, or can again: a sentence for the log.
        std::function<void(const std::string&)> trouble;
        // Somebody touched the files: a sentence for the log and the trail.
        std::function<void(const std::string&)> touched;
    };
    explicit AuditExport(Parts parts);

    void start();
    // There is more to write.
    void wake();
    boost::asio::awaitable<void> stop();

    // The files have the entries up to this one.
    [[nodiscard]] std::uint64_t written() const { return written_; }
    // What is wrong with the files, as a sentence; empty: nothing. That they were touched is said until hwvaultd ends.
    [[nodiscard]] const std::string& trouble() const { return failure_.empty() ? touched_ : failure_; }

private:
    using Clock = std::chrono::steady_clock;
    using Links = std::vector<vault::EventLink>;
    template <class T>
    using Work = std::function<Result<T>(audit::Sink&)>;

    boost::asio::awaitable<void> run();
    // One append, or the way to where the next begins. How much was done; 0: there is nothing to write.
    boost::asio::awaitable<Result<std::size_t>> step();
    boost::asio::awaitable<Result<void>> find_end();
    boost::asio::awaitable<Result<void>> begin_again(std::string what_happened);
    void say(const std::string& failure);
    // After the full files, if the store has what follows them; else after its oldest entry, or before it if it is the first.
    // Full files of a trail that was given up, with the store that it was of, are set aside.
    boost::asio::awaitable<Result<audit::Position>> where_to_begin();
    boost::asio::awaitable<Result<Links>> links_after(std::uint64_t sequence);
    template <class T>
    boost::asio::awaitable<Result<T>> on_sink(Work<T> work);
    void send_to_journal(std::shared_ptr<const Links> links);

    // A call that missed its deadline keeps the sink until it ends.
    struct Shared {
        std::mutex at_work;
        std::shared_ptr<audit::Sink> sink;
    };

    Parts parts_;
    std::shared_ptr<Shared> shared_;
    os::BlockingThreads file_threads_{{.threads = 1, .queue = 2, .hung = 1}};
    os::BlockingThreads journal_thread_{{.threads = 1, .queue = 16, .hung = 0}};
    boost::asio::steady_timer pause_;
    std::optional<Signal> ended_;
    std::optional<audit::Position> end_;  // of the files; none: to be looked at
    std::uint64_t written_;
    std::string failure_;
    std::string touched_;
    Clock::time_point stop_by_{};
    bool running_{false};
    bool idle_{false};
    bool woken_{false};  // since the latest step began
    bool stopping_{false};
};

}  // namespace hwvault::service
