// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Who is calling over the bus, and how much each may have under way: limits come first. A connection's calls and all
// calls together are counted before anything is asked; those of a uid as soon as the bus has said whose they are, and
// before it is found out who that is; those of a unit as soon as that is known.
//
// A sender is its unique name, which the bus never gives out twice. The first call of each makes one question to the
// bus (GetConnectionCredentials); the answer is kept until the sender leaves the bus. Never sd-bus's own credentials,
// which are completed from /proc later and can be of another process. Names are resolved anew after a few seconds.
//
// What is said to be of the loop is touched on the loop's thread alone (or, once that has ended, by who ended it);
// what is of the strand, on the strand alone.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/steady_timer.hpp>

#include "daemon/doors/dbus/sdbus_version.h"
#include "daemon/peer/peer.h"
#include "foundation/result.h"

namespace hwvault::doors::dbus {

constexpr std::uint32_t kMaxCallsOfOne = 64;
constexpr std::uint32_t kMaxCalls = 256;    // each may hold two descriptors: sdbus-c++'s and its duplicate
constexpr std::uint32_t kMaxCallsOfUid = 128;   // of all its connections: half is left to others
constexpr std::uint32_t kMaxCallsOfUnit = 96;   // so that a service of root's leaves some to root
constexpr std::size_t kMaxSenders = 1'024;  // remembered at once
constexpr std::chrono::seconds kNamesLifetime{5};
constexpr std::chrono::seconds kBusDeadline{2};

struct Sender {
    Sender(std::string unique_name, const boost::asio::any_io_executor& strand)
        : name(std::move(unique_name)), answered(strand, boost::asio::steady_timer::time_point::max()) {}

    const std::string name;
    // Calls under way and, where it subscribed, the subscription: a sender with one is not forgotten for room.
    std::atomic<std::uint32_t> calls{0};
    std::uint64_t last_call{0};  // of the loop: the number of its latest call

    // Of the strand.
    std::optional<Result<peer::Credentials>> credentials;
    boost::asio::steady_timer answered;  // cancelled when `credentials` is there
    std::optional<peer::Identity> identity;
    std::chrono::steady_clock::time_point identity_until;
    bool gone{false};
    std::function<void()> on_leaving;  // ends its subscription
};

class Callers {
public:
    // One place among the calls under way, given back when it goes. May end on any thread.
    class Ticket;

    Callers(sdbus::IConnection& connection, peer::Resolver& resolver, boost::asio::any_io_executor strand);

    // Of the loop. kBusy when this sender, or all of them together, have too many calls under way.
    Result<Ticket> admit(const std::string& name);
    // No call is under way.
    [[nodiscard]] bool is_idle() const { return *calls_ == 0; }
    // Of the loop: the sender has left the bus.
    void forget(const std::string& name);
    // Of the loop: forgets all; those who wait for the bus's answer get kBusy.
    void close();

    // Of the strand. kBusy when the bus or the name service does not answer in time, and when the caller's uid or unit has
    // too many calls under way.
    boost::asio::awaitable<Result<peer::Identity>> identify(Ticket& ticket);

private:
    // How many calls a party has under way. Counted on the strand; tickets end on any thread.
    using Count = std::atomic<std::uint32_t>;
    Result<void> count(Ticket& ticket, const std::string& party, std::uint32_t most);
    boost::asio::awaitable<Result<peer::Identity>> look_up(std::shared_ptr<Sender> sender);
    Result<std::shared_ptr<Sender>> find_or_ask(const std::string& name);
    bool make_room();
    void ask_bus(const std::shared_ptr<Sender>& sender);
    void settle(const std::shared_ptr<Sender>& sender, Result<peer::Credentials> credentials);
    void leave(const std::shared_ptr<Sender>& sender);

    boost::asio::any_io_executor strand_;
    peer::Resolver& resolver_;
    std::unique_ptr<sdbus::IProxy> bus_;
    std::unordered_map<std::string, std::shared_ptr<Sender>> senders_;
    std::uint64_t call_number_{0};
    std::shared_ptr<Count> calls_{std::make_shared<Count>(0)};
    std::unordered_map<std::string, std::weak_ptr<Count>> calls_of_;  // of the strand: by uid and by unit
};

class Callers::Ticket {
public:
    // `all` counts the calls of all senders; a subscription is in no such count, and has none.
    explicit Ticket(std::shared_ptr<Sender> sender, std::shared_ptr<Count> all = nullptr) : sender_(std::move(sender)) {
        ++sender_->calls;
        if (all) join(std::move(all));
    }
    Ticket(Ticket&&) noexcept = default;
    Ticket& operator=(Ticket&&) = delete;
    ~Ticket() {
        if (!sender_) return;
        --sender_->calls;
        for (const auto& count : counts_) --*count;
    }
    // Counts there too, from now on.
    void join(std::shared_ptr<Count> count) {
        ++*count;
        counts_.push_back(std::move(count));
    }
    [[nodiscard]] const std::shared_ptr<Sender>& sender() const { return sender_; }

private:
    std::shared_ptr<Sender> sender_;
    std::vector<std::shared_ptr<Count>> counts_;
};

}  // namespace hwvault::doors::dbus
