// SPDX-License-Identifier: LGPL-2.1-or-later
#include "daemon/hardware/child/server.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>

#include <poll.h>
#include <sys/socket.h>

#include "daemon/hardware/child/dispatch.h"

namespace hwvault::hardware::child {
namespace {

// More threads than this only queue inside the device.
constexpr unsigned kMaxThreads = 64;
constexpr std::size_t kTestSize = 16;  // random bytes, to see that the device still works

// What a device answers that could not be opened again after it was gone; every other error leaves it as it was.
bool means_lost(const Error& error) {
    return error.code == ErrorCode::kHardwareUnavailable || error.code == ErrorCode::kHardwareLocked ||
           error.code == ErrorCode::kNotInitialised;
}

}  // namespace

Server::Server(ServerSettings settings)
    : settings_(std::move(settings)),
      ledger_(settings_.state),
      queue_(kMaxInFlight),
      keeper_(
          [this] {
              const Watchdog::Work work(watchdog_);
              return settings_.open();
          },
          [this](const Result<std::shared_ptr<Device>>& device) { attempted(device); }, settings_.pace) {
    queue_.grow_to(1);  // there is something to answer before there is a device
}

Server::~Server() {
    drop_peer();
    queue_.close();
}

void Server::serve(os::Fd connection) {
    peer_ = std::make_shared<PeerSocket>(std::move(connection));
    while (peer_) static_cast<void>(step(-1));
}

Error Server::listen(os::Fd listener, uid_t accepted) {
    for (;;) {
        if (!step(listener.get())) continue;
        if (auto connected = accept(listener.get(), accepted); !connected) return connected.error();
    }
}

bool Server::step(int listener) {
    const auto interval = static_cast<int>(watchdog_.test_interval().count());
    // poll() leaves negative descriptors out.
    std::array<pollfd, 2> waited{{{listener, POLLIN, 0}, {peer_ ? peer_->fd() : -1, POLLIN, 0}}};
    const int ready = ::poll(waited.data(), waited.size(), interval > 0 ? interval : -1);
    if (ready == 0) test_device();
    if (ready <= 0) return false;
    if (waited[1].revents != 0) receive();
    return waited[0].revents != 0;
}

Result<void> Server::accept(int listener, uid_t accepted) {
    os::Fd connection{::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC)};
    if (!connection && (errno == EINTR || errno == ECONNABORTED || errno == EAGAIN)) return {};
    if (!connection) return errno_error("accept", errno);
    auto peer = std::make_shared<PeerSocket>(std::move(connection));
    const auto uid = peer->uid();
    if (!uid || *uid != accepted) {
        settings_.log("Refused a connection of uid " + (uid ? std::to_string(*uid) : "unknown") + ": only uid " +
                      std::to_string(accepted) + " is served.");
        return {};
    }
    drop_peer();
    peer_ = std::move(peer);
    return {};
}

void Server::receive() {
    const auto received = peer_->receive([this, peer = peer_](Request request) { take(peer, std::move(request)); });
    if (received) return;
    if (received.error().code != ErrorCode::kNotFound) settings_.log(received.error().message);
    drop_peer();
}

void Server::drop_peer() {
    if (peer_) peer_->hang_up();
    peer_.reset();
}

void Server::take(const std::shared_ptr<PeerSocket>& peer, Request request) {
    const std::uint64_t id = request.id;
    const bool taken = queue_.push([this, peer, request = std::move(request)] {
        peer->send({request.id, answer(request.verb)});
    });
    if (!taken) peer->send({id, Error{ErrorCode::kBusy, "Too many requests wait for the device: try again."}});
}

// Nobody gave the device anything to do for a while: the watchdog wants to know whether it could.
void Server::test_device() {
    static_cast<void>(queue_.push([this] { static_cast<void>(answer(RandomRequest{kTestSize})); }));
}

Result<SecretBytes> Server::answer(const Verb& verb) {
    const Watchdog::Work work(watchdog_);
    HWVAULT_TRY(const std::shared_ptr<Device> device, keeper_.device());
    auto result = perform(verb, *device, ledger_);
    if (result || !means_lost(result.error())) return result;
    settings_.log(result.error().message);
    if (result.error().code == ErrorCode::kHardwareLocked) settings_.locked(result.error());
    // Before the answer goes out, so that who asks next learns how things are.
    keeper_.lost(device, result.error());
    return result;
}

void Server::attempted(const Result<std::shared_ptr<Device>>& device) {
    if (device) queue_.grow_to(std::clamp((*device)->parallel(), 1U, kMaxThreads));
    const std::string trouble = device ? "" : device.error().message;
    if (!trouble.empty() && trouble != last_trouble_) settings_.log(trouble);
    watchdog_.status(device ? "The device is open." : trouble);
    last_trouble_ = trouble;
    if (!std::exchange(told_ready_, true)) watchdog_.ready();
}

}  // namespace hwvault::hardware::child
