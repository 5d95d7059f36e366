// SPDX-License-Identifier: LGPL-2.1-or-later
//
// One connection: who it is, what it gets, and that it is handed over whole or refused.
//
// systemd takes what it has read when the connection ends for the credential, so there are three ends: all of the
// token; more than systemd accepts, which fails the unit; or, where neither can be brought to an end, none: the
// connection is left open in systemd's descriptor store, and the next hwvaultd refuses it. Never an end after nothing, or
// after a part.
// Not thread-safe: lives on the service's strand.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/steady_timer.hpp>

#include "daemon/doors/credential/descriptor_store.h"
#include "daemon/doors/credential/limits.h"
#include "daemon/doors/credential/notices.h"
#include "daemon/doors/credential/mapping.h"
#include "daemon/peer/peer.h"
#include "daemon/service/service.h"
#include "foundation/bytes.h"
#include "foundation/secret.h"

namespace hwvault::doors::credential {

// What the sessions share. The service and the resolver outlive them.
struct Parts {
    service::Service& service;
    peer::Resolver& resolver;
    Limits limits;
    Mapping mapping;
    std::shared_ptr<DescriptorStore> descriptor_store;
    std::shared_ptr<Notices> notices;
    bool kernel_tells_process;
};

class Session : public std::enable_shared_from_this<Session> {
public:
    enum class Kind { kNew, kLeft };  // kLeft: of an hwvaultd before this one, and refused

    // `name` is what the connection is called in the descriptor store.
    Session(std::shared_ptr<const Parts> parts, Socket connection, std::string name, Kind kind);

    // Until the answer or the refusal is handed over, or the peer is gone.
    boost::asio::awaitable<void> run();
    // What is not decided within limits.drain is refused.
    void hurry();
    // Ends now, and leaves the connection to the descriptor store.
    void abandon();

private:
    using Clock = std::chrono::steady_clock;

    boost::asio::awaitable<Result<SecretBytes>> decide();
    boost::asio::awaitable<Result<SecretBytes>> ask();
    boost::asio::awaitable<Result<SecretBytes>> ask_once();
    boost::asio::awaitable<Result<void>> identify();
    Result<peer::Credentials> credentials_of_root();
    void tell(const Error& why);
    boost::asio::awaitable<void> refuse();
    boost::asio::awaitable<bool> write(BytesView bytes);
    void start_clock_of_reader();
    [[nodiscard]] bool peer_is_gone();
    void end();

    std::shared_ptr<const Parts> parts_;
    Socket connection_;
    std::string name_;
    Kind kind_;
    boost::asio::steady_timer decision_clock_;
    boost::asio::steady_timer reader_clock_;
    Clock::time_point decide_by_;
    std::optional<Place> place_;          // what the peer claims
    std::optional<peer::Identity> unit_;  // once it is known to be that unit
    bool is_root_{false};
    bool may_tell_unit_{false};
    bool hurrying_{false};
    bool abandoned_{false};
};

}  // namespace hwvault::doors::credential
