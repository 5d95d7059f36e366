// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The one place that knows which sdbus-c++ it is: 1.2 (Debian 12) or 2.x (Debian 13). The second has types of its own
// for names, hands messages over by value, and polls one more descriptor.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <poll.h>
#include <sys/socket.h>

#include <sdbus-c++/sdbus-c++.h>

#if __has_include(<sdbus-c++/VTableItems.h>)
#define HWVAULT_SDBUS_2 1
#endif

namespace hwvault::doors::dbus {

#ifdef HWVAULT_SDBUS_2
using CallError = std::optional<sdbus::Error>;  // what a callback gets; false where the call succeeded
using ServiceName = sdbus::ServiceName;
#else
using CallError = const sdbus::Error*;
using ServiceName = std::string;
#endif

// The bus itself, as one of those that it passes calls to.
constexpr const char* kBusName = "org.freedesktop.DBus";
constexpr const char* kBusPath = "/org/freedesktop/DBus";

inline sdbus::Error make_error(std::string name, std::string message) {
#ifdef HWVAULT_SDBUS_2
    return sdbus::Error{sdbus::Error::Name{std::move(name)}, std::move(message)};
#else
    return sdbus::Error{name, message};
#endif
}

// The unique name of the sender of the call that `object` is being given; on the loop's thread only.
inline std::string current_sender(const sdbus::IObject& object) {
#ifdef HWVAULT_SDBUS_2
    const char* sender = object.getCurrentlyProcessedMessage().getSender();
    return sender != nullptr ? sender : "";
#else
    return object.getCurrentlyProcessedMessage()->getSender();
#endif
}

inline sdbus::Signal make_signal(sdbus::IObject& object, const char* interface, const char* name,
                                 const std::string& destination) {
#ifdef HWVAULT_SDBUS_2
    auto signal = object.createSignal(sdbus::InterfaceName{interface}, sdbus::SignalName{name});
#else
    auto signal = object.createSignal(std::string(interface), std::string(name));
#endif
    signal.setDestination(destination);
    return signal;
}

// Calls `seen(message)` for each message that matches, on the loop's thread, for as long as the connection lives.
template <class Seen>
void add_match(sdbus::IConnection& connection, const std::string& rule, Seen seen) {
#ifdef HWVAULT_SDBUS_2
    connection.addMatch(rule, [seen = std::move(seen)](sdbus::Message message) { seen(message); });
#else
    connection.addMatch(rule, [seen = std::move(seen)](sdbus::Message& message) { seen(message); },
                        sdbus::floating_slot);
#endif
}

// Handles one message that has arrived or is to be sent; false when there is none.
inline bool process_one(sdbus::IConnection& connection) {
#ifdef HWVAULT_SDBUS_2
    return connection.processPendingEvent();
#else
    return connection.processPendingRequest();
#endif
}

// What poll(2) must wait for.
inline std::vector<pollfd> descriptors_to_poll(sdbus::IConnection& connection, int& timeout_ms) {
    const auto data = connection.getEventLoopPollData();
    timeout_ms = data.getPollTimeout();
#ifdef HWVAULT_SDBUS_2
    return {{data.fd, data.events, 0}, {data.eventFd, POLLIN, 0}};
#else
    return {{data.fd, data.events, 0}};
#endif
}

// The socket of a bus that does not take within the time what is not sent yet; -1 when it has taken it, or has gone.
inline int socket_held_up(sdbus::IConnection& connection, int milliseconds) {
    try {
        int ignored = 0;
        pollfd bus = descriptors_to_poll(connection, ignored).front();
        bus.events &= POLLOUT;
        return bus.events != 0 && ::poll(&bus, 1, milliseconds) <= 0 ? bus.fd : -1;
    } catch (const sdbus::Error&) {
        return -1;
    }
}

// To be called before a connection closes, which waits without end until the bus has taken what is not sent yet: of a bus
// that takes nothing it is not waited for.
inline void give_up_unsent(sdbus::IConnection& connection) {
    constexpr int kPatienceMs = 250;
    const int held_up = socket_held_up(connection, kPatienceMs);
    if (held_up >= 0) ::shutdown(held_up, SHUT_RDWR);
}

}  // namespace hwvault::doors::dbus
