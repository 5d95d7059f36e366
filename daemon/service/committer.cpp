// SPDX-License-Identifier: LGPL-2.1-or-later
#include "daemon/service/committer.h"

#include <algorithm>
#include <iterator>
#include <unordered_set>
#include <utility>

#include <boost/asio/detached.hpp>

#include "daemon/service/audit_export.h"
#include "daemon/service/signal.h"
#include "os/asio.h"

namespace hwvault::service {

using boost::asio::awaitable;
using std::chrono::steady_clock;

namespace {

bool has_content(const vault::TokenWrite& write) {
    const auto is_there = [](const std::optional<Bytes>& bytes) { return bytes && !bytes->empty(); };
    return is_there(write.sealed_content) || is_there(write.escrow);
}

}  // namespace

struct Committer::Job : std::enable_shared_from_this<Committer::Job> {
    Job(const boost::asio::any_io_executor& strand, Touches touched, Planner planned)
        : touches(std::move(touched)), planner(std::move(planned)), done(strand, steady_clock::now() + kDiskDeadline) {}

    Touches touches;
    Planner planner;  // none: waits for the write, and changes nothing
    std::optional<vault::SignedCheckpoint> checkpoint{};
    Signal done;
    Result<Committed> outcome{Error{ErrorCode::kInternal, "The change was not carried out."}};
    bool withdraws{false};
    bool urgent{false};  // withdraws, and writes nothing large
    std::optional<std::uint64_t> protected_at;  // the epoch from which on the device knows what was taken away

    void finish(Result<Committed> result) {
        outcome = std::move(result);
        done.raise();
    }
};

// What the jobs looked at so far touch, to find whether another overlaps.
class Committer::Claims {
public:
    // False when it overlaps an earlier claim; claimed it is in either case, so that nobody overtakes it.
    bool claim(const Touches& touches) {
        OfAccount& claimed = accounts_[touches.account];
        const bool taken = claimed.whole || (touches.name ? claimed.names.contains(*touches.name) : !claimed.names.empty());
        if (touches.name) {
            claimed.names.insert(*touches.name);
        } else {
            claimed.whole = true;
        }
        return !taken;
    }

private:
    struct OfAccount {
        bool whole{false};
        std::unordered_set<std::string> names{};
    };
    std::unordered_map<std::string, OfAccount> accounts_;
};

// A batch in the making.
struct Committer::Draft {
    audit::Trail trail;
    store::Batch batch{};
    std::vector<std::shared_ptr<Job>> writing{};  // whose answer waits for the write
    bool withdraws{false};
};

vault::UnixTime Committer::now() {
    parts_.time_mark = std::max(parts_.time_mark, parts_.clock());
    return parts_.time_mark;
}

awaitable<Result<Committed>> Committer::commit(Touches touches, Planner planner) {
    const auto queued = queued_of_account_.find(touches.account);
    const bool account_is_full = queued != queued_of_account_.end() && queued->second >= kMaxOfAccount;
    if (queue_.size() >= kMaxQueue || account_is_full) {
        co_return Error{ErrorCode::kBusy, "Too many changes wait for the disk. Try again in a second."};
    }
    const auto job = std::make_shared<Job>(parts_.strand, std::move(touches), std::move(planner));
    auto outcome = co_await carry_out(job);
    if (outcome && job->protected_at) {
        const bool reached = co_await parts_.epochs->reached(*job->protected_at, steady_clock::now() + kDeviceDeadline);
        outcome->rollback_protected = reached;
    }
    co_return outcome;
}

awaitable<Result<void>> Committer::keep(vault::SignedCheckpoint checkpoint) {
    Touches nothing;
    Planner none;
    const auto job = std::make_shared<Job>(parts_.strand, std::move(nothing), std::move(none));
    job->checkpoint = std::move(checkpoint);
    const auto kept = co_await carry_out(job);
    if (!kept) co_return kept.error();
    co_return Result<void>{};
}

// A change that is never begun is made by nobody; one that hangs with the disk may be made when that goes on.
awaitable<Result<Committed>> Committer::carry_out(std::shared_ptr<Job> job) {
    ++queued_of_account_[job->touches.account];
    queue_.push_back(job);
    start();
    co_await job->done.wait();
    if (job->done.raised()) co_return std::move(job->outcome);
    if (withdraw(*job)) {
        co_return Error{ErrorCode::kBusy, "The disk of the store does not answer, and the change was not begun. Try again later."};
    }
    co_return Error{ErrorCode::kBusy,
                    "The disk of the store does not answer. Whether the change was made is seen when it does: look then, and ask "
                    "again if it was not."};
}

bool Committer::withdraw(const Job& job) {
    const auto waiting = std::ranges::find(queue_, &job, [](const auto& queued) { return queued.get(); });
    if (waiting == queue_.end()) return false;
    leave_queue(job);
    queue_.erase(waiting);
    return true;
}

void Committer::leave_queue(const Job& job) {
    const auto count = queued_of_account_.find(job.touches.account);
    if (--count->second == 0) queued_of_account_.erase(count);
}

Result<void> Committer::disk() const {
    if (!last_write_) return last_write_.error();
    if (writing_since_ && steady_clock::now() > *writing_since_ + kDiskPatience) {
        return Error{ErrorCode::kBusy, "The disk of the store does not answer."};
    }
    return {};
}

Result<void> Committer::can_record() {
    Result<void> possible = disk();
    if (possible && events_.size() >= kMaxEvents) possible = Error{ErrorCode::kBusy, "Its queue is full."};
    if (possible && parts_.trail.sequence() - parts_.audit_written() >= AuditExport::kMaxUnwritten) {
        possible = Error{ErrorCode::kBusy, "Too many entries wait for the audit files."};
    }
    if (possible) return {};
    start();  // tries once more, so that it heals when the disk does
    return Error{ErrorCode::kAuditUnavailable,
                 "The audit trail cannot be written, so nothing is handed out. See `hwvault status`, and free space where the "
                 "store and the audit files lie. (" + possible.error().message + ")"};
}

Result<void> Committer::record(vault::Event event) {
    HWVAULT_CHECK(can_record());
    events_.push_back(std::move(event));
    if (events_.size() < kEventsAtOnce) {
        begin_after(kEventDelay);
    } else {
        events_are_due_ = true;
        start();
    }
    return {};
}

void Committer::begin_after(std::chrono::milliseconds delay) {
    if (std::exchange(event_timer_set_, true)) return;
    boost::asio::co_spawn(
        parts_.strand,
        [self = shared_from_this(), delay]() -> awaitable<void> {
            boost::asio::steady_timer timer(self->parts_.strand, delay);
            co_await timer.async_wait(os::kAsTuple);
            self->event_timer_set_ = false;
            self->events_are_due_ = true;
            self->start();
        },
        boost::asio::detached);
}

awaitable<Result<void>> Committer::flush() {
    Touches nothing;
    Planner none;
    const auto done = co_await commit(std::move(nothing), std::move(none));
    if (!done) co_return done.error();
    co_return Result<void>{};
}

void Committer::start() {
    if (running_) return;
    running_ = true;
    boost::asio::co_spawn(
        parts_.strand, [self = shared_from_this()]() -> awaitable<void> { co_await self->run(); },
        boost::asio::detached);
}

awaitable<void> Committer::run() {
    do {
        co_await gather();
        auto batch = take_batch();
        last_write_ = co_await run_batch(std::move(batch));
    } while (!queue_.empty() || (last_write_ && (events_are_due_ || parts_.epochs->is_batch_over())));
    running_ = false;
    // What they tell of has happened: they do not wait for the next caller.
    if (!events_.empty() && !stopped_) begin_after(kPauseAfterFailure);
}

// Who comes while the device makes the step of the commit before: else each commit would be small, and have a step of its own.
awaitable<void> Committer::gather() {
    if (parts_.epochs->pending() == 0 || parts_.epochs->trouble()) co_return;
    co_await parts_.epochs->reached(parts_.epochs->epoch(), steady_clock::now() + kStepPatience);
}

std::vector<std::shared_ptr<Committer::Job>> Committer::take_batch() {
    std::vector<std::shared_ptr<Job>> batch;
    std::deque<std::shared_ptr<Job>> later;
    Claims claims;
    for (auto& job : queue_) {
        const bool free = claims.claim(job->touches);
        if (!free || batch.size() == kMaxBatch) {
            later.push_back(std::move(job));
            continue;
        }
        leave_queue(*job);
        batch.push_back(std::move(job));
    }
    queue_ = std::move(later);
    return batch;
}

// Plans every job, writes what came of it in one transaction, then shows it.
awaitable<Result<void>> Committer::run_batch(std::vector<std::shared_ptr<Job>> jobs) {
    Draft draft{.trail = parts_.trail};
    // They were before what is planned now.
    std::deque<vault::Event> reads = std::exchange(events_, {});
    events_are_due_ = false;
    for (const vault::Event& event : reads) draft.batch.events.push_back(draft.trail.append(event));
    for (auto& job : jobs) plan(*job, draft);

    const Result<void> written = co_await write(draft);
    if (!written) {
        events_.insert(events_.begin(), std::make_move_iterator(reads.begin()), std::make_move_iterator(reads.end()));
        const bool is_full = written.error().code == ErrorCode::kQuotaExceeded;
        for (const auto& job : draft.writing) {
            if (is_full && job->urgent) co_await write_alone(job);
            else job->finish(written.error());
        }
        co_return written;
    }
    publish(draft);
    co_return written;
}

awaitable<void> Committer::write_alone(std::shared_ptr<Job> job) {
    Draft draft{.trail = parts_.trail};
    plan(*job, draft);
    if (draft.writing.empty()) co_return;  // it was not to be, and was told
    draft.batch.urgent = true;
    const Result<void> written = co_await write(draft);
    if (written) publish(draft);
    else job->finish(written.error());
}

awaitable<Result<void>> Committer::write(Draft& draft) {
    draft.batch.epoch = parts_.epochs->of_next_commit(draft.withdraws);
    draft.batch.unprotected = parts_.epochs->leaves_unprotected(draft.withdraws);
    const bool nothing = draft.batch.changes.empty() && draft.batch.events.empty() && !parts_.epochs->is_batch_over();
    if (nothing && last_write_) co_return Result<void>{};
    draft.batch.time_mark = now();
    draft.batch.audit_written = parts_.audit_written();
    writing_since_ = steady_clock::now();
    const auto commit_batch = [&store = parts_.store, &batch = draft.batch] { return store.commit(batch); };
    const Result<void> written = co_await run_on(parts_.store_thread, commit_batch);
    writing_since_.reset();
    co_return written;
}

void Committer::publish(const Draft& draft) {
    parts_.trail = draft.trail;
    parts_.recorded(draft.batch.events.size() - (draft.batch.checkpoint ? 1 : 0));
    for (const vault::Change& change : draft.batch.changes) {
        parts_.publishing(change);
        parts_.vault.apply(change);
    }
    const auto protected_at = parts_.epochs->committed(draft.batch.epoch, draft.batch.unprotected);
    for (const auto& job : draft.writing) {
        Committed committed{.changed = true, .rollback_protected = std::nullopt};
        if (job->withdraws) {
            job->protected_at = protected_at;
            committed.rollback_protected = false;  // until the device has answered
        }
        job->finish(committed);
    }
}

void Committer::plan(Job& job, Draft& draft) {
    if (job.checkpoint) {
        draft.batch.events.push_back(draft.trail.append(*job.checkpoint));
        draft.batch.checkpoint = job.checkpoint;
    }
    if (!job.planner) return draft.writing.push_back(job.shared_from_this());
    Result<vault::Plan> planned = job.planner(parts_.vault);
    if (!planned) return job.finish(planned.error());
    vault::Change* change = nullptr;
    if (auto* grants = std::get_if<vault::Grants>(&*planned)) change = &grants->change;
    if (auto* withdraws = std::get_if<vault::Withdraws>(&*planned)) {
        change = &withdraws->change;
        job.withdraws = draft.withdraws = true;
        job.urgent = std::ranges::none_of(change->tokens, has_content);
    }
    if (change == nullptr) return job.finish(Committed{});
    if (change->event) draft.batch.events.push_back(draft.trail.append(*change->event));
    draft.batch.changes.push_back(std::move(*change));
    draft.writing.push_back(job.shared_from_this());
}

}  // namespace hwvault::service
