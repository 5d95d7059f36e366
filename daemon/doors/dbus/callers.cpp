// SPDX-License-Identifier: LGPL-2.1-or-later
#include "daemon/doors/dbus/callers.h"

#include <utility>

#include <boost/asio/post.hpp>

#include "daemon/doors/dbus/translate.h"
#include "os/asio.h"

namespace hwvault::doors::dbus {
namespace {

Error busy(std::string message) {
    return {ErrorCode::kBusy, std::move(message)};
}

}  // namespace

Callers::Callers(sdbus::IConnection& connection, peer::Resolver& resolver, boost::asio::any_io_executor strand)
    : strand_(std::move(strand)),
      resolver_(resolver),
      bus_(sdbus::createProxy(connection, ServiceName{kBusName}, sdbus::ObjectPath{kBusPath})) {
}

Result<Callers::Ticket> Callers::admit(const std::string& name) {
    HWVAULT_TRY(auto sender, find_or_ask(name));
    sender->last_call = ++call_number_;
    if (sender->calls >= kMaxCallsOfOne) {
        return busy("You have " + std::to_string(kMaxCallsOfOne) + " calls under way; wait for their answers.");
    }
    if (*calls_ >= kMaxCalls) return busy("The vault has too many calls under way. Try again in a moment.");
    return Ticket{std::move(sender), calls_};
}

Result<std::shared_ptr<Sender>> Callers::find_or_ask(const std::string& name) {
    if (const auto known = senders_.find(name); known != senders_.end()) return known->second;
    if (senders_.size() >= kMaxSenders && !make_room()) {
        return busy("Too many programs are calling the vault at once. Try again in a moment.");
    }
    auto sender = std::make_shared<Sender>(name, strand_);
    senders_.emplace(name, sender);
    ask_bus(sender);
    return sender;
}

// Drops the sender whose latest call is the oldest, among those with nothing under way.
bool Callers::make_room() {
    auto oldest = senders_.end();
    for (auto sender = senders_.begin(); sender != senders_.end(); ++sender) {
        if (sender->second->calls > 0) continue;
        if (oldest == senders_.end() || sender->second->last_call < oldest->second->last_call) oldest = sender;
    }
    if (oldest == senders_.end()) return false;
    senders_.erase(oldest);
    return true;
}

void Callers::ask_bus(const std::shared_ptr<Sender>& sender) {
    const auto answered = [this, sender](CallError error, const Dictionary& answer) {
        auto credentials = error ? Result<peer::Credentials>{busy("The message bus did not say who is calling (" +
                                                                  error->getMessage() + "). Try again.")}
                                 : credentials_of_bus(answer);
        if (!credentials) senders_.erase(sender->name);  // the next call asks again
        settle(sender, std::move(credentials));
    };
    try {
        bus_->callMethodAsync("GetConnectionCredentials")
            .onInterface(kBusName)
            .withTimeout(kBusDeadline)
            .withArguments(sender->name)
            .uponReplyInvoke(answered);
    } catch (const sdbus::Error& failure) {
        senders_.erase(sender->name);
        settle(sender, busy("The message bus could not be asked who is calling (" + failure.getMessage() + ")."));
    }
}

void Callers::settle(const std::shared_ptr<Sender>& sender, Result<peer::Credentials> credentials) {
    auto shared = std::make_shared<Result<peer::Credentials>>(std::move(credentials));
    boost::asio::post(strand_, [sender, shared] {
        if (!sender->credentials) sender->credentials = std::move(*shared);
        sender->answered.cancel();
    });
}

void Callers::forget(const std::string& name) {
    const auto found = senders_.find(name);
    if (found == senders_.end()) return;
    leave(found->second);
    senders_.erase(found);
}

void Callers::close() {
    for (const auto& [name, sender] : senders_) leave(sender);
    senders_.clear();
    bus_.reset();
}

void Callers::leave(const std::shared_ptr<Sender>& sender) {
    boost::asio::post(strand_, [sender] {
        sender->gone = true;
        if (!sender->credentials) sender->credentials = busy("The caller left before it was known.");
        sender->answered.cancel();
        if (sender->on_leaving) sender->on_leaving();
    });
}

Result<void> Callers::count(Ticket& ticket, const std::string& party, std::uint32_t most) {
    auto& known = calls_of_[party];
    auto count = known.lock();
    if (!count) {
        count = std::make_shared<Count>(0);
        known = count;
        std::erase_if(calls_of_, [](const auto& entry) { return entry.second.expired(); });
    }
    if (*count >= most) {
        return busy("Your unit or user has " + std::to_string(most) +
                    " calls on the bus under way, which is all that it may. Try again in a second.");
    }
    ticket.join(std::move(count));
    return {};
}

boost::asio::awaitable<Result<peer::Identity>> Callers::identify(Ticket& ticket) {
    const auto sender = ticket.sender();
    while (!sender->credentials) {
        co_await sender->answered.async_wait(os::kAsTuple);
    }
    if (!*sender->credentials) co_return sender->credentials->error();
    const std::string uid = "uid:" + std::to_string((*sender->credentials)->uid);
    HWVAULT_CO_CHECK(count(ticket, uid, kMaxCallsOfUid));
    HWVAULT_CO_TRY(auto identity, co_await look_up(sender));
    if (identity.caller.unit) HWVAULT_CO_CHECK(count(ticket, policy::party_of(identity.caller), kMaxCallsOfUnit));
    co_return identity;
}

boost::asio::awaitable<Result<peer::Identity>> Callers::look_up(std::shared_ptr<Sender> sender) {
    if (sender->identity && std::chrono::steady_clock::now() < sender->identity_until) co_return *sender->identity;
    auto identity = co_await resolver_.resolve(**sender->credentials);
    if (identity) {
        sender->identity = *identity;
        sender->identity_until = std::chrono::steady_clock::now() + kNamesLifetime;
    }
    co_return identity;
}

}  // namespace hwvault::doors::dbus
