// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The Unix socket's door: Varlink (UAPI.20), interface org.hwvault.Vault. It translates calls into the service's
// words and answers back, and holds clients to its limits (limits.h; docs/formats/varlink.md).
//
// Create it, and call stop(), on service.executor() or before that runs. Not thread-safe.
#pragma once

#include <filesystem>
#include <memory>

#include <boost/asio/awaitable.hpp>

#include "daemon/doors/varlink/limits.h"
#include "daemon/peer/peer.h"
#include "daemon/service/service.h"
#include "foundation/result.h"

namespace hwvault::doors::varlink {

class Listener;

class Door {
public:
    struct Options {
        std::filesystem::path path;  // made with the umask, never chmod after; its folder must be there
        int inherited_fd{-1};        // a listening socket from systemd instead; the door closes it
        unsigned mode{0666};         // everybody may connect; who may do what is the policy's matter
        Limits limits;
        bool kernel_refuses_descriptors{true};  // where it can; false is as on a kernel before Linux 6.16
    };

    // Clients are served as soon as the executor runs. `service` and `resolver` must outlive the executor's last
    // run, since sessions may still be there after the door is gone.
    static Result<std::unique_ptr<Door>> create(service::Service& service, peer::Resolver& resolver, Options options);
    ~Door();  // as stop()

    // No new connections, and the file of a socket that it made is removed. Clients can send nothing more: they get EPIPE,
    // so whoever does knows that this call was not taken. What was sent before is answered, all within limits.drain.
    void stop();
    // After stop(), until the last session has ended.
    boost::asio::awaitable<void> drained();

    // Clients that are connected now.
    [[nodiscard]] std::size_t connections() const;

private:
    explicit Door(std::shared_ptr<Listener> listener);

    std::shared_ptr<Listener> listener_;
};

}  // namespace hwvault::doors::varlink
