// SPDX-License-Identifier: LGPL-2.1-or-later
#include "daemon/service/verify_index.h"

#include <algorithm>
#include <cerrno>
#include <utility>

#include <fcntl.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "daemon/service/index_tables.h"
#include "os/asio.h"

namespace hwvault::service {
namespace {

using boost::asio::awaitable;
using index::Writer;

Result<os::Fd> copy_of(const os::Fd& fd) {
    os::Fd copy{::fcntl(fd.get(), F_DUPFD_CLOEXEC, 3)};
    if (!copy) return errno_error("copying a descriptor of the verify index", errno, ErrorCode::kBusy);
    return copy;
}

// The slots, some 10 ms at a time, so that what else is to be done there need not wait for all.
void gather_from(std::size_t begin, std::size_t end, std::shared_ptr<const os::Fd> index, boost::asio::thread_pool& background) {
    constexpr std::size_t kAtOnce = 16 * 1'024 * 1'024;
    boost::asio::post(background, [begin, end, index = std::move(index), &background]() mutable {
        const std::size_t next = std::min(begin + kAtOnce, end);
        os::SharedMemory::gather(*index, begin, next);
        if (next < end) gather_from(next, end, std::move(index), background);
    });
}

}  // namespace

VerifyIndex::VerifyIndex(Parts parts, std::unique_ptr<Writer> table)
    : parts_(std::move(parts)),
      current_(std::move(table)),
      timer_(parts_.strand) {}

void VerifyIndex::start() {
    hold();
    gather();
    boost::asio::co_spawn(
        parts_.strand, [self = shared_from_this()] { return self->beat(); }, boost::asio::detached);
}

// One that cannot be held is handed to nobody, and beat() sees to another.
void VerifyIndex::hold() {
    is_given_up_ = !current_->hold();
    tell_time();
}

// The beat is the clock's, as readers compare it with theirs. The mark never goes back, from one table to the next either.
void VerifyIndex::tell_time() {
    const vault::UnixTime now = parts_.clock();
    parts_.time_mark = std::max(parts_.time_mark, now);
    current_->beat(now, parts_.time_mark);
}

void VerifyIndex::stop() {
    stopped_ = true;
    timer_.cancel();
    next_.reset();
    current_->give_up();
}

awaitable<void> VerifyIndex::beat() {
    while (!stopped_) {
        tell_time();
        if (is_given_up_ && !next_) begin_next(current_->slots());  // the last one could not be made, or had no room for all
        timer_.expires_after(kBeat);
        co_await timer_.async_wait(os::kAsTuple);
    }
}

void VerifyIndex::apply(const vault::Change& change) {
    keep_uses_of_what_ends(change);
    if (next_ && !service::apply(*next_, change, parts_.vault)) next_.reset();
    // A larger one has what the vault had before this change, all of which is then made there.
    while (!service::apply(*current_, change, parts_.vault) && replace_now()) {}
    if (!next_ && current_->is_crowded()) begin_next(current_->count() * 5 / 4);
}

// That it has expired by now must hold for every reader from now on, whatever its clock says.
bool VerifyIndex::finish(const Search& search, vault::UnixTime now, index::Found& found) {
    parts_.time_mark = std::max(parts_.time_mark, now);
    current_->set_time_mark(now);
    if (!search.is_token || !current_->view().finish(search.place, now, found)) return false;
    current_->note_use(found.slot, now);
    return true;
}

vault::UnixTime VerifyIndex::last_verified(const vault::Account& account, const vault::Token& token, vault::UnixTime now) const {
    vault::UnixTime last = 0;
    for (const vault::Generation& generation : token.generations) {
        if (!generation.given) continue;
        const auto stored = current_->stored(key_of(account.name.text(), token, generation));
        if (stored && stored->used <= now) last = std::max<vault::UnixTime>(last, stored->used);
    }
    return last;
}

std::optional<vault::Token> VerifyIndex::token_of(const index::Found& found) const {
    const auto account = vault::AccountName::parse(std::string(found.account()));
    const auto name = vault::TokenName::parse(std::string(found.name()));
    return account && name ? parts_.vault.find(*account, *name) : std::nullopt;
}

bool VerifyIndex::visit_uses(Place& place, vault::UnixTime since, const Visit& visit) const {
    if (place.table != table_) place = {.table = table_, .slot = 0};
    return current_->visit_stamps(place.slot, since, kAtOnce, [&](const index::Found& found, vault::UnixTime at) {
        if (at > now()) return;
        if (const auto token = token_of(found)) visit(token->id, at);
    });
}

void VerifyIndex::keep_uses_of_what_ends(const vault::Change& change) {
    for (const vault::TokenWrite& write : change.tokens) {
        const vault::Account* const account = parts_.vault.account(write.token.account);
        const auto before = account == nullptr || write.erase ? std::nullopt : parts_.vault.find(account->name, write.token.name);
        if (!before) continue;
        const auto& after = write.token.generations;
        const bool ends = std::ranges::any_of(before->generations, [&](const vault::Generation& generation) {
            return generation.given && std::ranges::find(after, generation.id, &vault::Generation::id) == after.end();
        });
        const vault::UnixTime last = ends ? last_verified(*account, *before, now()) : 0;
        if (last != 0) parts_.used(*before, last);
    }
}

Result<IndexDescriptors> VerifyIndex::hand_out() const {
    if (is_given_up_) return Error{ErrorCode::kBusy, "The verify index is being made anew. Try again in a second."};
    HWVAULT_TRY(os::Fd index, copy_of(current_->index_descriptor()));
    HWVAULT_TRY(os::Fd stamps, copy_of(current_->stamps_descriptor()));
    return IndexDescriptors{std::move(index), std::move(stamps)};
}

void VerifyIndex::withdraw() {
    current_->give_up();
    is_given_up_ = true;
    begin_next(current_->count());
}

void VerifyIndex::begin_next(std::size_t tokens) {
    // No smaller than the one that there is: long texts take room that the number of tokens does not tell.
    auto made = Writer::make(parts_.vault.prefix(), std::max(slots_for(tokens), current_->slots()));
    if (!made) return;  // there is no memory: the next change that wants it tries again
    next_ = std::move(*made);
    boost::asio::co_spawn(
        parts_.strand, [self = shared_from_this(), filling = ++filling_] { return self->fill_next(filling); },
        boost::asio::detached);
}

// Changes meanwhile go into both tables, so what is copied late is no older than what is there.
awaitable<void> VerifyIndex::fill_next(std::uint64_t filling) {
    const vault::UnixTime begun = parts_.clock();
    vault::Vault::Position place;
    bool goes_on = true;
    while (goes_on) {
        co_await boost::asio::post(parts_.strand, boost::asio::use_awaitable);
        if (stopped_ || filling != filling_ || !next_) co_return;
        goes_on = fill_some(place);
    }
    if (next_) replace_by(std::move(next_), begun);
}

// False at the end. A token that finds no place ends it: the table is let go.
bool VerifyIndex::fill_some(vault::Vault::Position& place) {
    std::size_t copied = 0;
    bool goes_on = false;
    parts_.vault.visit_after(place, [&](const vault::Account& account, const vault::Token& token) {
        if (!put(*next_, account.name.text(), token, {.before = current_.get(), .used = 0})) {
            next_.reset();
            return false;
        }
        place = {account.name.text(), token.name.text()};
        goes_on = ++copied == kAtOnce;
        return !goes_on;
    });
    return goes_on;
}

// `next` has all of the vault, and when it was verified, as that was at `begun` or later.
void VerifyIndex::replace_by(std::unique_ptr<Writer> next, vault::UnixTime begun) {
    current_->give_up();
    std::shared_ptr<Writer> over = std::exchange(current_, std::move(next));
    ++filling_;
    ++table_;
    hold();
    boost::asio::co_spawn(
        parts_.strand,
        [self = shared_from_this(), over = std::move(over), begun]() mutable { return self->carry_over(std::move(over), begun); },
        boost::asio::detached);
    gather();
}

// What was verified by the old table while the new one was filled; then the old one is wiped.
awaitable<void> VerifyIndex::carry_over(std::shared_ptr<Writer> over, vault::UnixTime begun) {
    std::uint32_t next = 0;
    for (bool goes_on = true; goes_on && !stopped_;) {
        goes_on = over->visit_stamps(next, begun, kAtOnce, [this](const index::Found& found, std::uint32_t at) {
            const auto token = token_of(found);
            if (!token) return;
            for (const vault::Generation& generation : token->generations) {
                if (generation.number == found.generation) current_->note_use(key_of(found.account(), *token, generation), at);
            }
        });
        co_await boost::asio::post(parts_.strand, boost::asio::use_awaitable);
    }
    if (!stopped_) boost::asio::post(parts_.background, [over = std::move(over)]() mutable { over.reset(); });
}

// By a descriptor of its own, since the table may be over before it is done. Where that cannot be had it stays as it is.
void VerifyIndex::gather() const {
    auto index = copy_of(current_->index_descriptor());
    if (!index) return;
    gather_from(0, index::texts_at(current_->slots()), std::make_shared<const os::Fd>(std::move(*index)), parts_.background);
}

// At once, since a change needs the room. False when there is none to be had.
bool VerifyIndex::replace_now() {
    next_.reset();
    const vault::UnixTime begun = parts_.clock();
    auto made = larger_table(parts_.vault, *current_);
    if (made) replace_by(std::move(*made), begun);
    return made.has_value();
}

}  // namespace hwvault::service
