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
      keeper_(
          [this] {
              const Watchdog::Work work(watchdog_);
              return settings_.open();
          },
          [this](const Result<std::shared_ptr<Device>>& device) { attempted(device); }, settings_.pace) {
    add_workers(1);  // there is something to answer before there is a device
}

Server::~Server() {
    std::vector<std::thread> workers;
    {
        const std::lock_guard lock(mutex_);
        ended_ = true;
        if (peer_) peer_->hang_up();
        workers.swap(workers_);
    }
    changed_.notify_all();
    for (std::thread& worker : workers) worker.join();
}

void Server::serve(os::Fd connection) {
    auto peer = PeerSocket::open(std::move(connection), watchdog_.test_interval());
    if (!peer) return settings_.log(peer.error().message);
    change_peer(std::move(*peer));
    while (peer_) static_cast<void>(attend(-1));
}

Error Server::listen(os::Fd listener, uid_t accepted) {
    for (;;) {
        if (!attend(listener.get())) continue;
        if (auto connected = accept(listener.get(), accepted); !connected) return connected.error();
    }
}

bool Server::attend(int listener) {
    // poll() leaves negative descriptors out, and says of every other that it is hung up.
    std::array<pollfd, 2> waited{{{listener, POLLIN, 0}, {peer_ ? peer_->fd() : -1, POLLRDHUP, 0}}};
    if (::poll(waited.data(), waited.size(), -1) <= 0) return false;
    if (waited[1].revents != 0) change_peer(nullptr);
    return waited[0].revents != 0;
}

Result<void> Server::accept(int listener, uid_t accepted) {
    os::Fd connection{::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC)};
    if (!connection && (errno == EINTR || errno == ECONNABORTED || errno == EAGAIN)) return {};
    if (!connection) return errno_error("accept", errno);
    HWVAULT_TRY(auto peer, PeerSocket::open(std::move(connection), watchdog_.test_interval()));
    const auto uid = peer->uid();
    if (!uid || *uid != accepted) {
        settings_.log("Refused a connection of uid " + (uid ? std::to_string(*uid) : "unknown") + ": only uid " +
                      std::to_string(accepted) + " is served.");
        return {};
    }
    change_peer(std::move(peer));
    return {};
}

void Server::change_peer(std::shared_ptr<PeerSocket> peer) {
    {
        const std::lock_guard lock(mutex_);
        if (peer_) peer_->hang_up();
        peer_ = std::move(peer);
    }
    changed_.notify_all();
}

void Server::add_workers(std::size_t count) {
    const std::lock_guard lock(mutex_);
    while (!ended_ && workers_.size() < count) workers_.emplace_back([this] { work(); });
}

void Server::work() {
    while (const auto job = next()) {
        auto result = answer(job->request.verb);
        if (job->peer) job->peer->send({job->request.id, std::move(result)});
    }
}

std::optional<Server::Job> Server::next() {
    for (;;) {
        const auto peer = wait_for_peer();
        if (ended_) return std::nullopt;
        auto request = peer ? peer->next() : std::optional<Request>();
        if (request && *request) {
            if (watchdog_.test_interval().count() > 0) last_job_ = std::chrono::steady_clock::now();
            return Job{peer, std::move(**request)};
        }
        if (request && is_test_due()) return Job{nullptr, {0, RandomRequest{kTestSize}}};
        if (!request && request.error().code != ErrorCode::kNotFound) settings_.log(request.error().message);
    }
}

// Nobody gave the device anything to do for a while: the watchdog wants to know whether it could. One worker tries it.
bool Server::is_test_due() {
    auto last = last_job_.load();
    const auto now = std::chrono::steady_clock::now();
    return now >= last + watchdog_.test_interval() && last_job_.compare_exchange_strong(last, now);
}

// Null: it is over, or none came in the time after which the device should be tried.
std::shared_ptr<PeerSocket> Server::wait_for_peer() {
    std::unique_lock lock(mutex_);
    const auto ready = [this] { return ended_ || (peer_ && !peer_->is_over()); };
    const auto interval = watchdog_.test_interval();
    if (interval.count() == 0) changed_.wait(lock, ready);
    else if (!changed_.wait_for(lock, interval, ready)) return nullptr;
    return ended_ ? nullptr : peer_;
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
    if (device) add_workers(std::clamp((*device)->parallel(), 1U, kMaxThreads));
    const std::string trouble = device ? "" : device.error().message;
    if (!trouble.empty() && trouble != last_trouble_) settings_.log(trouble);
    watchdog_.status(device ? "The device is open." : trouble);
    last_trouble_ = trouble;
    if (!std::exchange(told_ready_, true)) watchdog_.ready();
}

}  // namespace hwvault::hardware::child
