// SPDX-License-Identifier: LGPL-2.1-or-later
#include "daemon/doors/dbus/loop.h"

#include <cerrno>
#include <cstdint>
#include <utility>

#include <sys/eventfd.h>

namespace hwvault::doors::dbus {

Outbox::Outbox(sdbus::IConnection& connection)
    : connection_(connection), event_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
    if (!event_) throw sdbus::createError(errno, "eventfd");
}

void Outbox::send(std::function<void()> sending) {
    {
        const std::unique_lock at_bus(at_bus_, std::try_to_lock);
        if (at_bus && !must_wait()) {
            sending();
            sending = nullptr;  // what it holds may be a message, which has the same lock
            if (is_unsent_left()) wake();
            return;
        }
    }
    put(std::move(sending));
}

bool Outbox::must_wait() {
    const std::lock_guard lock(mutex_);
    return all_to_loop_ || closed_ || !waiting_.empty();
}

// The bus does not take more at the moment, or has gone: both are for the loop, which does not poll for it yet.
bool Outbox::is_unsent_left() const {
    try {
        int ignored = 0;
        return (descriptors_to_poll(connection_, ignored).front().events & POLLOUT) != 0;
    } catch (const sdbus::Error&) {
        return true;
    }
}

void Outbox::put(std::function<void()> sending) {
    {
        const std::lock_guard lock(mutex_);
        if (!closed_) {
            waiting_.push_back(std::move(sending));
            if (waiting_.size() == 1) wake();
            return;
        }
    }
    sending();
}

void Outbox::send_all() {
    std::vector<std::function<void()>> taken;
    {
        const std::lock_guard lock(mutex_);
        if (waiting_.empty()) return;
        eventfd_t value = 0;
        ::eventfd_read(event_.get(), &value);
        taken.swap(waiting_);
    }
    for (const auto& sending : taken) sending();
}

void Outbox::close() {
    {
        const std::lock_guard lock(mutex_);
        closed_ = true;
    }
    send_all();
}

void Outbox::wake() const {
    // Fails only when the counter is full: then the loop is woken anyway.
    ::eventfd_write(event_.get(), 1);
}

Loop::Loop(sdbus::IConnection& connection, Outbox& outbox, Events events)
    : connection_(connection), outbox_(outbox), events_(std::move(events)), thread_([this] { run(); }) {
}

Loop::~Loop() {
    stopping_ = true;
    outbox_.wake();
    thread_.join();
}

void Loop::run() {
    try {
        serve_until_stopped();
    } catch (const sdbus::Error& failure) {
        events_.lost(failure.getMessage());
    }
}

void Loop::serve_until_stopped() {
    while (!stopping_) {
        auto at_bus = outbox_.at_bus();
        outbox_.send_all();
        if (process_one(connection_)) continue;
        int timeout_ms = -1;
        auto descriptors = descriptors_to_poll(connection_, timeout_ms);
        if ((descriptors.front().events & POLLOUT) == 0) events_.idle();
        descriptors.push_back({outbox_.descriptor(), POLLIN, 0});
        at_bus.unlock();
        if (::poll(descriptors.data(), descriptors.size(), timeout_ms) < 0 && errno != EINTR) {
            throw sdbus::createError(errno, "poll");
        }
    }
}

}  // namespace hwvault::doors::dbus
