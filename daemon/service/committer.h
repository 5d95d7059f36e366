// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The one way in which the vault changes: plan -> commit -> publish -> tell the device -> answer.
//
// Changes that are asked for while a commit is under way share the next one (group commit). Each is planned
// against the durable state, so a batch never has two that touch the same records; the second waits for the next
// batch. While the device makes the step of one commit, the next one gathers, for kStepPatience at most: a commit of what comes in
// that time would need a step of its own, which takes longer. A lone change finds no step under way.
// Nothing becomes visible before it is durable. The audit event is part of the same commit; events of
// reads are made durable with the next commit. One is begun for them alone when the first has waited for kEventDelay, or
// when there are kEventsAtOnce: each by itself would keep the disk and a core busy for as long as somebody reads.
//
// Lives on the service's strand and never blocks it: the store works on a thread of its own. Not thread-safe.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/thread_pool.hpp>

#include "daemon/audit/trail.h"
#include "daemon/service/epoch_keeper.h"
#include "daemon/store/store.h"
#include "daemon/vault/change.h"
#include "daemon/vault/vault.h"

namespace hwvault::service {

// Which records a plan reads and writes: one token, or a whole account.
struct Touches {
    std::string account;
    std::optional<std::string> name;
};

// Looks at the vault as it is when the batch is made, and says what to change.
using Planner = std::function<Result<vault::Plan>(const vault::Vault&)>;

struct Committed {
    bool changed{false};
    // Of what takes trust away: whether the device knows of it by now.
    std::optional<bool> rollback_protected;
};

class Committer : public std::enable_shared_from_this<Committer> {
public:
    static constexpr std::size_t kMaxBatch = 256;     // changes in one commit
    static constexpr std::size_t kMaxQueue = 8'192;   // changes that wait; beyond it kBusy
    static constexpr std::size_t kMaxOfAccount = 256; // of them of one account, so that it cannot take every place
    static constexpr std::size_t kMaxEvents = 65'536; // events of reads that wait; beyond it kAuditUnavailable
    static constexpr auto kEventDelay = std::chrono::milliseconds(100);
    static constexpr std::size_t kEventsAtOnce = 256;
    static constexpr auto kPauseAfterFailure = std::chrono::milliseconds(1'000);  // then events that wait are tried again
    static constexpr auto kStepPatience = std::chrono::milliseconds(5);  // that a commit waits for the step of the one before
    static constexpr auto kDeviceDeadline = std::chrono::seconds(2);  // that an answer waits for the device
    static constexpr auto kDiskDeadline = std::chrono::seconds(10);   // and a change for the disk
    static constexpr auto kDiskPatience = std::chrono::seconds(2);    // a commit that takes longer: no event of a read is taken

    struct Parts {
        boost::asio::any_io_executor strand;
        boost::asio::thread_pool& store_thread;
        store::Store& store;
        vault::Vault& vault;
        std::shared_ptr<EpochKeeper> epochs;
        audit::Trail trail;
        vault::UnixTime time_mark;
        std::function<vault::UnixTime()> clock;
        // Called with each change when it is durable, just before the vault shows it.
        std::function<void(const vault::Change&)> publishing;
        // Called with how many entries, checkpoints aside, were added to the trail when they are durable.
        std::function<void(std::size_t events)> recorded;
        // The audit files have the entries up to this one.
        std::function<std::uint64_t()> audit_written;
    };
    explicit Committer(Parts parts) : parts_(std::move(parts)) {}

    // kBusy when the disk has not taken it by kDiskDeadline. Then it says whether it was begun; one that was may be made.
    boost::asio::awaitable<Result<Committed>> commit(Touches touches, Planner planner);
    // Puts what the device has signed on the trail and into the store.
    boost::asio::awaitable<Result<void>> keep(vault::SignedCheckpoint checkpoint);

    // An event of something that changed nothing. kAuditUnavailable when events cannot be written, the disk hangs, or
    // too many wait for the audit files: then what it tells of must not happen.
    Result<void> record(vault::Event event);
    // Whether record() would take one now; the same error.
    Result<void> can_record();
    // Whether the disk takes commits, as far as is known now; an error says what it does instead: kBusy when it hangs.
    [[nodiscard]] Result<void> disk() const;
    // Waits until all that was recorded so far is durable, or has failed.
    boost::asio::awaitable<Result<void>> flush();

    // The later of the clock and every time that was ever committed or asked for: never goes back.
    vault::UnixTime now();
    [[nodiscard]] const audit::Trail& trail() const { return parts_.trail; }

    // Makes the commit that is due, if one is.
    void start();
    // What cannot be written now is not tried again by itself.
    void stop() { stopped_ = true; }

private:
    struct Job;
    struct Draft;
    class Claims;
    boost::asio::awaitable<Result<Committed>> carry_out(std::shared_ptr<Job> job);
    bool withdraw(const Job& job);
    void leave_queue(const Job& job);
    boost::asio::awaitable<void> run();
    boost::asio::awaitable<Result<void>> run_batch(std::vector<std::shared_ptr<Job>> jobs);
    // What takes trust away, when it could not be written with the rest: without it, and with the last of the disk.
    boost::asio::awaitable<void> write_alone(std::shared_ptr<Job> job);
    void begin_after(std::chrono::milliseconds delay);
    boost::asio::awaitable<void> gather();
    std::vector<std::shared_ptr<Job>> take_batch();
    void plan(Job& job, Draft& draft);
    boost::asio::awaitable<Result<void>> write(Draft& draft);
    void publish(const Draft& draft);

    Parts parts_;
    std::deque<std::shared_ptr<Job>> queue_;
    std::unordered_map<std::string, std::size_t> queued_of_account_;
    std::deque<vault::Event> events_;
    bool running_{false};
    bool event_timer_set_{false};
    bool events_are_due_{false};
    bool stopped_{false};
    Result<void> last_write_{};  // how the last commit went
    std::optional<std::chrono::steady_clock::time_point> writing_since_;
};

}  // namespace hwvault::service
