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

#include "os/asio.h"

namespace hwvault::service {
namespace {

using boost::asio::awaitable;
using index::Writer;

// A new table is so full that it can grow by a tenth before the next is made, and takes 150 bytes a token.
std::uint32_t slots_for(std::size_t tokens) {
    const std::size_t wanted = tokens * 100 / 64;
    return static_cast<std::uint32_t>(std::clamp<std::size_t>(wanted, index::kMinSlots, index::kMaxSlots));
}

// Of the account as the change leaves it; null when that is not known.
const vault::AccountName* owner_of(const vault::TokenWrite& write, const vault::Change& change, const vault::Vault& vault) {
    for (const vault::AccountWrite& account : change.accounts) {
        if (account.account.id == write.token.account) return &account.account.name;
    }
    const vault::Account* const known = vault.account(write.token.account);
    return known == nullptr ? nullptr : &known->name;
}

bool is_dead(const vault::Token& token, const vault::Generation& generation) {
    return token.revoked && generation.number == token.current().number;
}

Result<os::Fd> copy_of(const os::Fd& fd) {
    os::Fd copy{::fcntl(fd.get(), F_DUPFD_CLOEXEC, 3)};
    if (!copy) return errno_error("copying a descriptor of the verify index", errno, ErrorCode::kBusy);
    return copy;
}

}  // namespace

Result<std::shared_ptr<VerifyIndex>> VerifyIndex::make(Parts parts) {
    auto made = std::make_shared<VerifyIndex>(std::move(parts));
    HWVAULT_TRY(made->current_, made->make_full_table(made->parts_.vault.token_count()));
    return made;
}

VerifyIndex::VerifyIndex(Parts parts)
    : parts_(std::move(parts)),
      timer_(parts_.strand),
      harvest_at_(std::chrono::steady_clock::now() + kHarvest),
      harvested_at_(parts_.clock()) {}

void VerifyIndex::start() {
    boost::asio::co_spawn(
        parts_.strand, [self = shared_from_this()] { return self->beat(); }, boost::asio::detached);
}

void VerifyIndex::stop() {
    stopped_ = true;
    timer_.cancel();
    next_.reset();
    harvest();
    current_->give_up();
}

awaitable<void> VerifyIndex::beat() {
    while (!stopped_) {
        const vault::UnixTime now = parts_.clock();
        current_->beat(now, now);
        if (std::chrono::steady_clock::now() >= harvest_at_) harvest();
        if (is_given_up_ && !next_) begin_next(current_->slots());  // the last one could not be made, or had no room for all
        timer_.expires_after(kBeat);
        co_await timer_.async_wait(os::kAsTuple);
    }
}

// No smaller than the one that there is: long texts take room that the number of tokens does not tell.
Result<std::unique_ptr<Writer>> VerifyIndex::make_table(std::size_t tokens) const {
    const std::uint32_t least = current_ ? current_->slots() : index::kMinSlots;
    return Writer::make(parts_.vault.prefix(), std::max(slots_for(tokens), least));
}

// Tokens may, with very bad luck, find no place in a table that is not full: then a larger one has it.
Result<std::unique_ptr<Writer>> VerifyIndex::make_full_table(std::size_t tokens) const {
    for (;; tokens += tokens / 4 + index::kMinSlots) {
        HWVAULT_TRY(std::unique_ptr<Writer> table, make_table(tokens));
        bool placed = true;
        parts_.vault.visit_after({}, [&](const vault::Account& account, const vault::Token& token) {
            placed = put(*table, token, account.name.text());
            return placed;
        });
        if (placed) return table;
        if (table->slots() == index::kMaxSlots) {
            return Error{ErrorCode::kQuotaExceeded, "The vault has more tokens than the verify index has places."};
        }
    }
}

bool VerifyIndex::put(Writer& table, const vault::Token& token, const std::string& account) const {
    return std::ranges::all_of(token.generations, [&](const vault::Generation& generation) {
        return !generation.hash || table.put({.id = generation.id,
                                              .hash = *generation.hash,
                                              .live = !is_dead(token, generation),
                                              .generation = generation.number,
                                              .expires_at = generation.expires_at,
                                              .account = account,
                                              .name = token.name.text(),
                                              .scopes = token.scopes});
    });
}

void VerifyIndex::apply(const vault::Change& change) {
    if (next_ && !apply(*next_, change)) next_.reset();
    // A larger one has what the vault had before this change, all of which is then made there.
    std::size_t room = current_->count();
    while (!apply(*current_, change) && current_->slots() < index::kMaxSlots && replace_now(room += room / 4 + index::kMinSlots)) {}
    if (!next_ && current_->is_crowded()) begin_next(current_->count() * 5 / 4);
}

// What ends first, so that its room is there for what comes. False when something found no place; all that ends has ended then.
bool VerifyIndex::apply(Writer& table, const vault::Change& change) const {
    for (const vault::TokenWrite& write : change.tokens) drop_ended(table, write, owner_of(write, change, parts_.vault));
    bool placed = true;
    for (const vault::TokenWrite& write : change.tokens) {
        const vault::AccountName* const owner = owner_of(write, change, parts_.vault);
        if (owner != nullptr && !write.erase) placed = put(table, write.token, owner->text()) && placed;
    }
    return placed;
}

void VerifyIndex::drop_ended(Writer& table, const vault::TokenWrite& write, const vault::AccountName* owner) const {
    const auto before = owner == nullptr ? std::nullopt : parts_.vault.find(*owner, write.token.name);
    if (!before) return;
    const auto& after = write.token.generations;
    for (const vault::Generation& generation : before->generations) {
        const bool stays = !write.erase && std::ranges::find(after, generation.id, &vault::Generation::id) != after.end();
        if (generation.hash && !stays) table.drop(generation.id, *generation.hash);
    }
}

// That it has expired by now must hold for every reader from now on, whatever its clock says.
bool VerifyIndex::finish(const Search& search, vault::UnixTime now, index::Found& found) {
    current_->set_time_mark(now);
    if (!search || !current_->view().finish(*search, now, found)) return false;
    current_->note_use(found.slot, now);
    return true;
}

vault::UnixTime VerifyIndex::last_verified(const vault::Generation& generation) const {
    if (!generation.hash) return vault::kNever;
    return std::min<vault::UnixTime>(current_->last_verified(generation.id, *generation.hash), parts_.clock());
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
    auto made = make_table(tokens);
    if (!made) return;  // there is no memory: the next change that wants it tries again
    next_ = std::move(*made);
    boost::asio::co_spawn(
        parts_.strand, [self = shared_from_this(), filling = ++filling_] { return self->fill_next(filling); },
        boost::asio::detached);
}

// Changes meanwhile go into both tables, so what is copied late is no older than what is there.
awaitable<void> VerifyIndex::fill_next(std::uint64_t filling) {
    vault::Vault::Position place;
    bool goes_on = true;
    while (goes_on) {
        co_await boost::asio::post(parts_.strand, boost::asio::use_awaitable);
        if (stopped_ || filling != filling_ || !next_) co_return;
        goes_on = fill_some(place);
    }
    if (next_) replace_by(std::move(next_));
}

// False at the end. A token that finds no place ends it: the table is let go.
bool VerifyIndex::fill_some(vault::Vault::Position& place) {
    std::size_t copied = 0;
    bool goes_on = false;
    parts_.vault.visit_after(place, [&](const vault::Account& account, const vault::Token& token) {
        if (!put(*next_, token, account.name.text())) {
            next_.reset();
            return false;
        }
        place = {account.name.text(), token.name.text()};
        goes_on = ++copied == kAtOnce;
        return !goes_on;
    });
    return goes_on;
}

void VerifyIndex::replace_by(std::unique_ptr<Writer> next) {
    current_->give_up();
    harvest();
    std::shared_ptr<Writer> over = std::exchange(current_, std::move(next));
    is_given_up_ = false;
    ++filling_;
    const vault::UnixTime now = parts_.clock();
    current_->beat(now, now);
    boost::asio::post(parts_.background, [over = std::move(over)]() mutable { over.reset(); });
}

// At once, since a change needs the room. False when there is none to be had.
bool VerifyIndex::replace_now(std::size_t tokens) {
    next_.reset();
    auto made = make_full_table(tokens);
    if (made) replace_by(std::move(*made));
    return made.has_value();
}

void VerifyIndex::harvest() {
    const vault::UnixTime since = std::exchange(harvested_at_, parts_.clock());
    harvest_at_ = std::chrono::steady_clock::now() + kHarvest;
    current_->visit_stamps(since, [this](const index::Found& found, vault::UnixTime at) {
        const auto account = vault::AccountName::parse(std::string(found.account()));
        const auto name = vault::TokenName::parse(std::string(found.name()));
        if (!account || !name) return;
        if (const auto token = parts_.vault.find(*account, *name)) parts_.used(*token, std::min(at, harvested_at_));
    });
}

}  // namespace hwvault::service
