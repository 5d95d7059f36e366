// SPDX-License-Identifier: LGPL-2.1-or-later
#include "daemon/doors/dbus/loop.h"

#include <cerrno>
#include <cstdint>
#include <utility>

#include <sys/eventfd.h>

namespace hwvault::doors::dbus {

Waker::Waker() : event_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
    if (!event_) throw sdbus::createError(errno, "eventfd");
}

void Waker::wake() const {
    // Fails only when the counter is full: then the loop is woken anyway.
    ::eventfd_write(event_.get(), 1);
}

void Waker::clear() const {
    eventfd_t value = 0;
    ::eventfd_read(event_.get(), &value);
}

Loop::Loop(sdbus::IConnection& connection, const Waker& waker, std::function<void(std::string)> lost)
    : connection_(connection), waker_(waker), lost_(std::move(lost)), thread_([this] { run(); }) {
}

Loop::~Loop() {
    stopping_ = true;
    waker_.wake();
    thread_.join();
}

void Loop::run() {
    try {
        serve_until_stopped();
    } catch (const sdbus::Error& failure) {
        lost_(failure.getMessage());
    }
}

void Loop::serve_until_stopped() {
    while (!stopping_) {
        if (process_one(connection_)) continue;
        int timeout_ms = -1;
        auto descriptors = descriptors_to_poll(connection_, timeout_ms);
        descriptors.push_back({waker_.descriptor(), POLLIN, 0});
        if (::poll(descriptors.data(), descriptors.size(), timeout_ms) < 0 && errno != EINTR) {
            throw sdbus::createError(errno, "poll");
        }
        if ((descriptors.back().revents & POLLIN) != 0) waker_.clear();
    }
}

}  // namespace hwvault::doors::dbus
