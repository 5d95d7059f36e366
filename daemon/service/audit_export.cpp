// SPDX-License-Identifier: LGPL-2.1-or-later
#include "daemon/service/audit_export.h"

#include <utility>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>

#include "daemon/audit/entry.h"
#include "os/asio.h"

namespace hwvault::service {
namespace {

using boost::asio::awaitable;
using std::chrono::steady_clock;

constexpr const char* kFilesHang =
    "The disk of the audit files does not answer: what happens is kept in the store until it does.";

audit::Position position_of(const vault::EventLink& link) {
    return {link.sequence, link.hash};
}

bool is_recovery(const vault::EventLink& first) {
    const auto entry = audit::decode(first.body);
    const auto* const event = entry ? std::get_if<vault::Event>(&*entry) : nullptr;
    return first.sequence == 1 && event != nullptr && event->verb == vault::Verb::kRecover;
}

}  // namespace

AuditExport::AuditExport(Parts parts)
    : parts_(std::move(parts)),
      shared_(std::make_shared<Shared>()),
      pause_(parts_.strand),
      written_(parts_.written) {
    shared_->sink = std::move(parts_.sink);
}

void AuditExport::start() {
    running_ = true;
    boost::asio::co_spawn(
        parts_.strand, [self = shared_from_this()]() -> awaitable<void> { co_await self->run(); },
        boost::asio::detached);
}

void AuditExport::wake() {
    woken_ = true;
    if (idle_) pause_.cancel();
}

awaitable<void> AuditExport::stop() {
    stopping_ = true;
    pause_.cancel();
    stop_by_ = Clock::now() + kAtStop;
    ended_.emplace(parts_.strand, stop_by_);
    if (running_) co_await ended_->wait();
}

awaitable<void> AuditExport::run() {
    for (;;) {
        woken_ = false;
        const Result<std::size_t> stepped = co_await step();
        const bool more = stepped && *stepped > 0;
        say(stepped ? "" : "The audit files cannot be written, and what happens is kept in the store. " + stepped.error().message);
        if (stopping_ && (!more || Clock::now() > stop_by_)) break;
        if (more && (stopping_ || *stepped == kAtOnce)) continue;  // there is a backlog, or no time to spare
        idle_ = stepped && !more && !woken_;
        if (idle_) pause_.expires_at(steady_clock::time_point::max());
        else pause_.expires_after(stepped ? steady_clock::duration(kPause) : steady_clock::duration(kPauseAfterFailure));
        co_await pause_.async_wait(os::kAsTuple);
        idle_ = false;
    }
    running_ = false;
    ended_->raise();
}

void AuditExport::say(const std::string& failure) {
    if (failure.empty() != failure_.empty()) parts_.trouble(failure.empty() ? "The audit files are written again." : failure);
    failure_ = failure;
}

awaitable<Result<std::size_t>> AuditExport::step() {
    if (!end_) HWVAULT_CO_CHECK(co_await find_end());
    HWVAULT_CO_TRY(Links found, co_await links_after(end_->sequence));
    if (found.empty()) co_return std::size_t{0};
    const auto links = std::make_shared<const Links>(std::move(found));
    Work<void> append = [links](audit::Sink& sink) { return sink.append(*links); };
    const Result<void> appended = co_await on_sink<void>(std::move(append));
    if (!appended) {
        end_.reset();  // it may be there in part, or later
        if (appended.error().code != ErrorCode::kStoreTampered) co_return appended.error();
        HWVAULT_CO_CHECK(co_await begin_again(appended.error().message));
        co_return std::size_t{1};
    }
    end_ = position_of(links->back());
    written_ = end_->sequence;
    send_to_journal(links);
    co_return links->size();
}

// Where the files end, if that is a place in the trail, and nothing behind it is missing that they had.
awaitable<Result<void>> AuditExport::find_end() {
    Work<std::optional<audit::Position>> look = [vault = parts_.vault](audit::Sink& sink) { return sink.end(vault); };
    auto end = co_await on_sink<std::optional<audit::Position>>(std::move(look));
    if (!end && end.error().code == ErrorCode::kStoreTampered) co_return co_await begin_again(end.error().message);
    if (!end) co_return end.error();
    if (!*end) {
        // A crash between two files leaves none that grows, and the full ones have what was written.
        HWVAULT_CO_TRY(const audit::Position last, co_await where_to_begin());
        std::string what = last.sequence >= written_ ? "" : "It was deleted or moved away.";
        co_return co_await begin_again(std::move(what));
    }
    const audit::Position found = **end;
    if (found.sequence < written_) co_return co_await begin_again("It was cut, or an older one was put in its place.");
    if (found.sequence == 0) {
        end_ = found;
        co_return Result<void>{};
    }
    HWVAULT_CO_TRY(const Links at_end, co_await links_after(found.sequence - 1));
    const bool is_known = !at_end.empty() && position_of(at_end.front()) == found;
    if (!is_known && written_ == 0) {
        HWVAULT_CO_TRY(const Links oldest, co_await links_after(0));
        if (!oldest.empty() && is_recovery(oldest.front())) {
            // That of the device that was lost.
            Work<void> retire = [](audit::Sink& sink) { return sink.retire(); };
            HWVAULT_CO_CHECK(co_await on_sink<void>(std::move(retire)));
            co_return co_await begin_again("");
        }
    }
    if (at_end.empty() || at_end.front().sequence > found.sequence) {
        co_return co_await begin_again("It has entries that the store does not know: one of the two is an older copy.");
    }
    if (!is_known) co_return co_await begin_again("Its last entry is not the one that was written.");
    end_ = found;
    written_ = found.sequence;
    co_return Result<void>{};
}

awaitable<Result<audit::Position>> AuditExport::where_to_begin() {
    Work<std::optional<audit::Position>> look = [vault = parts_.vault](audit::Sink& sink) -> Result<std::optional<audit::Position>> {
        return sink.end_of_full(vault);
    };
    Work<void> set_aside = [vault = parts_.vault](audit::Sink& sink) { return sink.set_aside_full(vault); };
    HWVAULT_CO_TRY(const Links oldest, co_await links_after(0));
    for (;;) {
        HWVAULT_CO_TRY(const auto full, co_await on_sink<std::optional<audit::Position>>(look));
        if (!full || full->sequence == 0) break;
        HWVAULT_CO_TRY(const Links known, co_await links_after(full->sequence - 1));
        if (!known.empty() && position_of(known.front()) == *full) co_return *full;
        // Left where it is: older than what the store has, or of the trail before the vault was recovered on this device.
        if (oldest.empty() || full->sequence < oldest.front().sequence || is_recovery(oldest.front())) break;
        HWVAULT_CO_CHECK(co_await on_sink<void>(set_aside));
    }
    audit::Position before_all;
    if (!oldest.empty() && oldest.front().sequence != 1) before_all = position_of(oldest.front());
    co_return before_all;
}

awaitable<Result<void>> AuditExport::begin_again(std::string what_happened) {
    HWVAULT_CO_TRY(const audit::Position follows, co_await where_to_begin());
    Work<std::string> begin = [vault = parts_.vault, follows](audit::Sink& sink) { return sink.begin(vault, follows); };
    HWVAULT_CO_TRY(const std::string aside, co_await on_sink<std::string>(std::move(begin)));
    end_ = follows;
    if (what_happened.empty()) co_return Result<void>{};
    // Only now, so that it is said once, however often it takes.
    touched_ = "The audit file was touched by something other than hwvaultd. " + what_happened +
               (aside.empty() ? "" : " It is " + aside + " now: `hwvault audit verify` says of it what was changed.") +
               " The trail goes on in a new file, from what the store still has.";
    parts_.touched(touched_);
    co_return Result<void>{};
}

awaitable<Result<AuditExport::Links>> AuditExport::links_after(std::uint64_t sequence) {
    const auto read = [&store = parts_.store, sequence]() -> Result<Links> {
        Links links;
        HWVAULT_CHECK(store.visit_events(sequence, [&](const vault::EventLink& link) {
            links.push_back(link);
            return links.size() < kAtOnce;
        }));
        return links;
    };
    co_return co_await run_on(parts_.store_thread, read);
}

template <class T>
awaitable<Result<T>> AuditExport::on_sink(Work<T> work) {
    std::function<Result<T>()> call = [shared = shared_, work = std::move(work)]() -> Result<T> {
        const std::unique_lock turn(shared->at_work, std::try_to_lock);
        if (!turn) return Error{ErrorCode::kBusy, kFilesHang};
        return work(*shared->sink);
    };
    return file_threads_.run<T>(parts_.strand, std::move(call), kPatience, kFilesHang);
}

void AuditExport::send_to_journal(std::shared_ptr<const Links> links) {
    if (!parts_.journal) return;
    journal_thread_.run_unwatched([links = std::move(links), journal = parts_.journal] {
        for (const vault::EventLink& link : *links) journal(link);
    });
}

}  // namespace hwvault::service
