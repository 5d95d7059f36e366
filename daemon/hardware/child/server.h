// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The child's loop: reads requests, works on as many at once as the device can, and answers each as it is done.
//
// It answers whether or not the device can be used: without one every request gets the reason in words, and the
// device is opened again as soon as it can be. A malformed request closes the connection. One connection at a
// time: a new one takes the place of the old, so that a restarted daemon never waits for its predecessor.
#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include <sys/types.h>

#include "daemon/hardware/child/checkpoint_ledger.h"
#include "daemon/hardware/child/device_keeper.h"
#include "daemon/hardware/child/peer_socket.h"
#include "daemon/hardware/child/watchdog.h"
#include "daemon/hardware/child/work_queue.h"

namespace hwvault::hardware::child {

// What the server works with. The functions are called from any thread.
struct ServerSettings {
    std::filesystem::path state;                 // folder, 0700
    DeviceKeeper::Open open;
    std::function<void(const Error&)> locked;    // a call on the open device ended with kHardwareLocked
    std::function<void(std::string_view)> log;   // one sentence for each failure
    Pace pace{};
};

class Server {
public:
    explicit Server(ServerSettings settings);
    Server(const Server&) = delete;
    Server& operator=(const Server&) = delete;
    ~Server();  // waits for the calls under way

    // Serves one inherited connection until the other side closes it or breaks the protocol.
    void serve(os::Fd connection);
    // Serves whoever connects, if it is `accepted`; returns only when the listening socket fails.
    Error listen(os::Fd listener, uid_t accepted);

private:
    // Waits for the connection, which it serves, or the listener (-1: none); true when someone wants to connect.
    [[nodiscard]] bool step(int listener);
    [[nodiscard]] Result<void> accept(int listener, uid_t accepted);
    void receive();
    void drop_peer();
    void take(const std::shared_ptr<PeerSocket>& peer, Request request);
    void test_device();
    Result<SecretBytes> answer(const Verb& verb);
    void attempted(const Result<std::shared_ptr<Device>>& device);

    const ServerSettings settings_;
    CheckpointLedger ledger_;
    Watchdog watchdog_;
    WorkQueue queue_;
    std::shared_ptr<PeerSocket> peer_;
    bool told_ready_{false};    // this and the next: on the keeper's thread only
    std::string last_trouble_;
    DeviceKeeper keeper_;       // last: its thread uses the others
};

}  // namespace hwvault::hardware::child
