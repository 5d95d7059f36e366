// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Keeps the verify index (daemon/index) in step with the vault: every generation that a verifier can meet is in it, from before
// the change that made it is answered, and out of it before the one that ended it is.
//
// One table serves. It is replaced when it is nearly full, and when somebody may no longer have it: readers are told to let go
// of it, the next one is filled a few tokens at a time, and then takes its place. hwvaultd's own doors look up in whichever
// table is complete, at any moment.
//
// Lives on the service's strand. Not thread-safe.
#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/thread_pool.hpp>

#include "daemon/index/writer.h"
#include "daemon/service/service.h"
#include "daemon/vault/vault.h"

namespace hwvault::service {

class VerifyIndex : public std::enable_shared_from_this<VerifyIndex> {
public:
    static constexpr std::size_t kAtOnce = 256;  // tokens that are copied before others have the strand: some 0.2 ms
    static constexpr auto kBeat = std::chrono::seconds(1);  // how often readers are told that hwvaultd lives

    struct Parts {
        boost::asio::any_io_executor strand;
        boost::asio::thread_pool& background;  // where a table that is over is wiped, and one that is new put into large pages
        const vault::Vault& vault;
        std::function<vault::UnixTime()> clock;
        // Called with each token that lives on without a generation that it had, and when that was last verified, if it was.
        std::function<void(const vault::Token&, vault::UnixTime)> used;
        vault::UnixTime time_mark{0};  // of the store: what has expired by then has, wherever the clock stands
    };

    // `table` has all of the vault.
    VerifyIndex(Parts parts, std::unique_ptr<index::Writer> table);

    // From now on it is handed out, and readers are told each second that hwvaultd lives.
    void start();
    void stop();

    // Called with each change when it is durable, just before the vault shows it.
    void apply(const vault::Change& change);

    // Whether it is active at `now`; then its use is noted. Allocates nothing.
    [[nodiscard]] bool verify(BytesView token, vault::UnixTime now, index::Found& found) {
        Search search;
        begin(token, search);
        return finish(search, now, found);
    }
    // The same in two steps, so that the fetches of several overlap. Both in one turn of the strand: the table may be replaced.
    struct Search {
        bool is_token;
        index::View::Search place;
    };
    void begin(BytesView token, Search& search) const { search.is_token = current_->view().begin(token, search.place); }
    [[nodiscard]] bool finish(const Search& search, vault::UnixTime now, index::Found& found);
    [[nodiscard]] index::Writer::Standing recognise(BytesView token, index::Found& found) const {
        return current_->recognise(token, found);
    }
    // When some process last verified one of its strings, or it was used before the start, as far as is known by `now`; 0: never.
    // Every reader may write there, and others may have written to the store's file: what is later than that is no use.
    [[nodiscard]] vault::UnixTime last_verified(const vault::Account& account, const vault::Token& token, vault::UnixTime now) const;

    // The later of the clock and the time mark.
    [[nodiscard]] vault::UnixTime now() const { return std::max(parts_.time_mark, parts_.clock()); }
    // Calls `visit(token, at)` for tokens that were verified at `since` or later, kAtOnce at most. Begins where the last call with
    // this `place` has left off; false at the end. Where the table was replaced it begins anew, so one may come twice.
    struct Place {
        std::uint64_t table{0};
        std::uint32_t slot{0};
    };
    using Visit = std::function<void(const vault::Id&, vault::UnixTime)>;
    bool visit_uses(Place& place, vault::UnixTime since, const Visit& visit) const;

    // kBusy while the next table is being filled.
    Result<IndexDescriptors> hand_out() const;
    // Who has the table may have it no longer, or it is not known: they are told to let go of it, and find nothing in it soon.
    void withdraw();

    [[nodiscard]] std::size_t count() const { return current_->count(); }

private:
    void begin_next(std::size_t tokens);
    boost::asio::awaitable<void> fill_next(std::uint64_t filling);
    [[nodiscard]] bool fill_some(vault::Vault::Position& place);
    void replace_by(std::unique_ptr<index::Writer> next, vault::UnixTime begun);
    boost::asio::awaitable<void> carry_over(std::shared_ptr<index::Writer> over, vault::UnixTime begun);
    [[nodiscard]] std::optional<vault::Token> token_of(const index::Found& found) const;
    void keep_uses_of_what_ends(const vault::Change& change);
    void hold();
    void tell_time();
    [[nodiscard]] bool replace_now();
    void gather() const;
    boost::asio::awaitable<void> beat();

    Parts parts_;
    std::unique_ptr<index::Writer> current_;
    std::unique_ptr<index::Writer> next_;  // while it is filled
    bool is_given_up_{true};               // the current one: readers are not to have it
    std::uint64_t filling_{0};             // which next_ that is, so that an abandoned filling ends
    std::uint64_t table_{0};               // which current_ that is
    boost::asio::steady_timer timer_;
    bool stopped_{false};
};

}  // namespace hwvault::service
