// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The D-Bus door: org.hwvault.Vault1 at /org/hwvault/Vault1 (org.hwvault.Vault1.xml beside this file). It translates
// and decides nothing; every operation goes to the service with the caller that the bus vouches for.
//
// The bus is served on a thread of its own that only takes messages in and sends them out; each call is carried to
// the service's strand, which sends its answer where that thread waits for the bus (loop.h). One caller has at most 64 calls under way, all of them together 256;
// beyond that the answer is Busy at once. A token or secret enters and leaves as a descriptor, never in a message
// body.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>

#include <boost/asio/awaitable.hpp>

#include "daemon/peer/peer.h"
#include "daemon/service/service.h"
#include "foundation/result.h"

namespace hwvault::doors::dbus {

class Door {
public:
    struct Options {
        // Of a bus; empty is the system bus, whose address DBUS_SYSTEM_BUS_ADDRESS overrides.
        std::string address;
        // Called once, on the door's thread, when the bus has gone and the door serves nobody any more.
        std::function<void()> lost;
        std::chrono::milliseconds drain{5'000};  // for calls that the bus gave us before stop()
        // A property is read on the loop's thread, which waits for the strand's answer: microseconds, since the strand never
        // blocks, and never waits for the loop (loop.h). So long at most when something is wrong with it.
        std::chrono::milliseconds status_patience{250};
    };

    // Connects, takes the name and serves; to be called on the service's executor. An error says what was wrong and
    // what to do: no bus, the name is another's, or the bus's policy denies it. The service and the resolver must
    // outlive what runs on that executor.
    static Result<std::unique_ptr<Door>> create(service::Service& service, peer::Resolver& resolver, Options options);

    // Gives the name back, so that the bus keeps new calls for who takes it next, whom it starts. Calls that it gave us
    // before are taken and answered, and so is who calls by the connection's unique name, all within Options::drain, beyond
    // which a bus that hangs is not waited for either.
    virtual void stop() = 0;
    // After stop(), on the executor, until all of them are answered; then the bus is read no more.
    virtual boost::asio::awaitable<void> drained() = 0;

    // Takes no more calls and gives the name back. Does not wait: calls that are under way are answered as the
    // executor goes on, and nothing of the door is left on it after the last of them.
    virtual ~Door() = default;
};

}  // namespace hwvault::doors::dbus
