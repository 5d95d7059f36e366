// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The credential door: LoadCredential=NAME:/run/hwvault/credential.sock in a unit that knows nothing of hwvault gives
// it its token. The peer is systemd, and to the gate it is the unit and nobody else.
//
// A unit gets all of its token, or fails to start with the reason in its journal (docs/design.md, "Credentials for
// services"): never an empty credential, never a part. Create it, and call what it has, on service.executor() or before
// that runs. Not thread-safe.
#pragma once

#include <filesystem>
#include <memory>
#include <vector>

#include <boost/asio/awaitable.hpp>

#include "daemon/doors/credential/descriptor_store.h"
#include "daemon/doors/credential/limits.h"
#include "daemon/doors/credential/mapping.h"
#include "daemon/peer/peer.h"
#include "daemon/service/service.h"
#include "foundation/result.h"

namespace hwvault::doors::credential {

class Listener;

class Door {
public:
    struct Options {
        std::filesystem::path path;           // made with mode 0600; its folder must be there
        int inherited_fd{-1};                 // a listening socket from systemd instead; the door closes it
        Mapping mapping;                      // [credential] of hwvault.toml
        std::filesystem::path notice_socket;  // hwvault-notice.socket's; empty: no unit is told why
        std::shared_ptr<DescriptorStore> descriptor_store{systemd_descriptor_store()};
        std::vector<Left> left;  // what systemd handed back: refused
        Limits limits;
        bool kernel_tells_process{peer::kernel_tells_process()};  // false is as on a kernel before Linux 6.5
    };

    // Answers as soon as the executor runs. `service` and `resolver` must outlive the executor's last run.
    static Result<std::unique_ptr<Door>> create(service::Service& service, peer::Resolver& resolver, Options options);
    ~Door();  // as stop()

    // From now on; what is being answered keeps what it was asked with.
    void set_mapping(Mapping mapping);
    // No new connections. What is not decided within limits.drain is refused; what is not handed over within twice that
    // is left to systemd's descriptor store.
    void stop();
    // After stop(): until nobody is being answered any more. The service's own stop() comes after it, so that whoever
    // asked while hwvaultd was restarted still gets a token.
    boost::asio::awaitable<void> drained();

    // Connections that are being answered.
    [[nodiscard]] std::size_t connections() const;

private:
    explicit Door(std::shared_ptr<Listener> listener) : listener_(std::move(listener)) {}

    std::shared_ptr<Listener> listener_;
};

}  // namespace hwvault::doors::credential
