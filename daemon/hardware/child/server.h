// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The child's loop: works on as many requests at once as the device can, and answers each as it is done.
//
// It answers whether or not the device can be used: without one every request gets the reason in words, and the
// device is opened again as soon as it can be. A malformed request closes the connection. One connection at a
// time: a new one takes the place of the old, so that a restarted daemon never waits for its predecessor.
//
// Every worker waits at the connection (peer_socket.h), and whoever gets a request does it and answers it. So a
// request wakes a single thread, and what waits, waits in the socket. The thread that serves only sees connections
// come and go, and does so while every worker hangs in a module.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <filesystem>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include <sys/types.h>

#include "daemon/hardware/child/checkpoint_ledger.h"
#include "daemon/hardware/child/device_keeper.h"
#include "daemon/hardware/child/peer_socket.h"
#include "daemon/hardware/child/watchdog.h"

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
    struct Job {
        std::shared_ptr<PeerSocket> peer;  // who wants the answer; null: nobody, the device is only tried
        Request request;
    };

    // Waits until someone wants to connect (true), or the connection is over. A listener of -1: nobody can.
    [[nodiscard]] bool attend(int listener);
    [[nodiscard]] Result<void> accept(int listener, uid_t accepted);
    // Null: none. The one before is hung up.
    void change_peer(std::shared_ptr<PeerSocket> peer);

    void add_workers(std::size_t count);  // until there are so many
    void work();
    [[nodiscard]] std::optional<Job> next();  // nullopt: it is over
    [[nodiscard]] bool is_test_due();
    [[nodiscard]] std::shared_ptr<PeerSocket> wait_for_peer();
    Result<SecretBytes> answer(const Verb& verb);
    void attempted(const Result<std::shared_ptr<Device>>& device);

    const ServerSettings settings_;
    CheckpointLedger ledger_;
    Watchdog watchdog_;
    std::mutex mutex_;                  // changes what follows, up to the workers
    std::condition_variable changed_;
    std::shared_ptr<PeerSocket> peer_;  // written by the serving thread alone
    std::atomic<bool> ended_{false};
    std::atomic<std::chrono::steady_clock::time_point> last_job_;
    std::vector<std::thread> workers_;
    bool told_ready_{false};            // this and the next: on the keeper's thread only
    std::string last_trouble_;
    DeviceKeeper keeper_;               // last: its thread uses the others
};

}  // namespace hwvault::hardware::child
