// SPDX-License-Identifier: LGPL-2.1-or-later
#include "tests/doors/credential/harness.h"

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <system_error>

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

namespace hwvault::tests {
namespace {

bool is_readable(int fd, std::chrono::milliseconds time) {
    pollfd wanted{fd, POLLIN, 0};
    return ::poll(&wanted, 1, static_cast<int>(time.count())) == 1;
}

}  // namespace

std::string peer_name(std::string_view unit, std::string_view credential) {
    static std::atomic<unsigned> next{0x1000};
    char hex[17];
    std::snprintf(hex, sizeof hex, "%x%08x", static_cast<unsigned>(::getpid()), next++);
    return std::string(1, '\0').append(hex).append("/unit/").append(unit).append("/").append(credential);
}

SystemdClient::SystemdClient(const std::filesystem::path& socket, const std::string& name)
    : socket_(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_un own{};
    own.sun_family = AF_UNIX;
    std::copy(name.begin(), name.end(), own.sun_path);
    const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + name.size());
    if (!name.empty() && ::bind(socket_.get(), reinterpret_cast<const sockaddr*>(&own), size) != 0) {
        throw std::system_error(errno, std::generic_category(), "bind");
    }
    sockaddr_un there{};
    there.sun_family = AF_UNIX;
    const std::string path = socket.string();
    std::copy(path.begin(), path.end(), there.sun_path);
    if (::connect(socket_.get(), reinterpret_cast<const sockaddr*>(&there), sizeof there) != 0) {
        throw std::system_error(errno, std::generic_category(), "connect " + path);
    }
    ::shutdown(socket_.get(), SHUT_WR);
}

std::string SystemdClient::read_to_end() {
    std::string all;
    std::string part(1 << 16, '\0');
    for (;;) {
        REQUIRE(is_readable(socket_.get(), kPatience));
        const ssize_t got = ::recv(socket_.get(), part.data(), part.size(), 0);
        REQUIRE(got >= 0);
        if (got == 0) return all;
        all.append(part, 0, static_cast<std::size_t>(got));
    }
}

std::string SystemdClient::read_what_is_there() {
    std::string all;
    std::string part(1 << 16, '\0');
    for (;;) {
        const ssize_t got = ::recv(socket_.get(), part.data(), part.size(), MSG_DONTWAIT);
        if (got <= 0) return all;
        all.append(part, 0, static_cast<std::size_t>(got));
    }
}

bool SystemdClient::hears_nothing_for(std::chrono::milliseconds time) const {
    return !is_readable(socket_.get(), time);
}

bool is_refusal(std::string_view answer) {
    return answer.size() > doors::credential::kMostOfSystemd && answer.find("hwv_") == std::string_view::npos;
}

void FakeDescriptorStore::keep(const std::string& name, int connection) {
    const std::lock_guard lock(mutex_);
    kept_.emplace(name, os::Fd(::fcntl(connection, F_DUPFD_CLOEXEC, 0)));
    most_ = std::max(most_, kept_.size());
}

void FakeDescriptorStore::release(const std::string& name) {
    const std::lock_guard lock(mutex_);
    kept_.erase(name);
}

std::size_t FakeDescriptorStore::count() const {
    const std::lock_guard lock(mutex_);
    return kept_.size();
}

std::size_t FakeDescriptorStore::most() const {
    const std::lock_guard lock(mutex_);
    return most_;
}

NoticeSocket::NoticeSocket(const std::filesystem::path& path) : socket_([&] {
    auto made = os::ListeningSocket::make(path, 0600);
    if (!made) throw std::runtime_error(made.error().message);
    return std::move(*made);
}()) {}

std::optional<std::string> NoticeSocket::next(std::chrono::milliseconds time) const {
    if (!is_readable(socket_.fd(), time)) return std::nullopt;
    SystemdClient sender(os::Fd(::accept4(socket_.fd(), nullptr, nullptr, SOCK_CLOEXEC)));
    return sender.read_to_end();
}

Opened::Opened(doors::credential::Door::Options options) : service(boost::asio::make_strand(io_)) {
    options.path = path();
    resolver.unit = kUnitName;
    auto made = doors::credential::Door::create(service, resolver, std::move(options));
    if (!made) throw std::runtime_error(made.error().message);
    door = std::move(*made);
    thread_ = std::thread([this] { io_.run(); });
}

Opened::~Opened() {
    on_strand([this] { door.reset(); });
    service.release();
    work_.reset();
    thread_.join();
}

void Opened::on_strand(std::function<void()> work) {
    std::promise<void> done;
    boost::asio::post(service.executor(), [&] {
        work();
        done.set_value();
    });
    done.get_future().wait();
}

doors::credential::Limits short_limits() {
    doors::credential::Limits limits;
    limits.patience = std::chrono::milliseconds(200);
    limits.first_pause = std::chrono::milliseconds(5);
    limits.decision = std::chrono::milliseconds(400);
    limits.unread = std::chrono::milliseconds(100);
    limits.drain = std::chrono::milliseconds(200);
    return limits;
}

doors::credential::Door::Options mapped_to(const std::string& name, doors::credential::Limits limits) {
    doors::credential::Door::Options options;
    options.limits = limits;
    options.mapping[{std::string(kUnitName), "api-token"}] = {"app:billing", name};
    return options;
}

}  // namespace hwvault::tests
