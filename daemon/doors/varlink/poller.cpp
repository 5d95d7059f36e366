// SPDX-License-Identifier: LGPL-2.1-or-later
#include "daemon/doors/varlink/poller.h"

#include <cerrno>
#include <utility>

#include <boost/asio/post.hpp>

#include "daemon/doors/varlink/limits.h"
#include "os/fd.h"

namespace hwvault::doors::varlink {

Result<void> Poller::start() {
    os::Fd set(::epoll_create1(EPOLL_CLOEXEC));
    if (!set) return errno_error("making an epoll set", errno);
    boost::system::error_code error;
    set_.assign(set.get(), error);
    if (error) return errno_error("watching an epoll set", error.value());
    static_cast<void>(set.release());
    wait();
    return {};
}

void Poller::close() {
    boost::system::error_code ignored;
    set_.close(ignored);
}

std::optional<Poller::Place> Poller::add(int fd, Client& client) {
    if (free_.empty()) {
        free_.reserve(clients_.size() + 1);  // so that remove() allocates nothing
        clients_.push_back(nullptr);
        free_.push_back(clients_.size() - 1);
    }
    const Place place = free_.back();
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.u64 = place;
    if (::epoll_ctl(set_.native_handle(), EPOLL_CTL_ADD, fd, &event) != 0) return std::nullopt;
    free_.pop_back();
    clients_[place] = &client;
    sum_of_taken_ += place;
    return place;
}

void Poller::remove(Place place, int fd) {
    ::epoll_ctl(set_.native_handle(), EPOLL_CTL_DEL, fd, nullptr);
    clients_[place] = nullptr;
    free_.push_back(place);
    sum_of_taken_ -= place;
}

void Poller::wait() {
    set_.async_wait(set_.wait_read, [self = shared_from_this()](boost::system::error_code error) {
        if (!error) self->ask();
    });
}

void Poller::ask() {
    next_ = 0;
    if (clients_.size() - free_.size() == 1) {  // it can be no other
        ready_[0].data.u64 = sum_of_taken_;
        count_ = 1;
        serve();
        return;
    }
    const int count = ::epoll_wait(set_.native_handle(), ready_.data(), static_cast<int>(ready_.size()), 0);
    count_ = count > 0 ? static_cast<std::size_t>(count) : 0;
    serve();
}

// Who has taken a place meanwhile is told for nothing.
void Poller::serve() {
    for (std::size_t calls = 0; next_ < count_;) {
        if (calls >= kMaxCallsOfAllInOneGo) {
            boost::asio::post(set_.get_executor(), [self = shared_from_this()] { self->serve(); });
            return;
        }
        Client* const client = clients_[ready_[next_++].data.u64];
        if (client != nullptr) calls += client->on_readable();
    }
    workspace_->send_all();
    if (set_.is_open()) wait();
}

}  // namespace hwvault::doors::varlink
