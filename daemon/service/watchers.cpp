// SPDX-License-Identifier: LGPL-2.1-or-later
#include "daemon/service/watchers.h"

#include <utility>

#include <boost/asio/steady_timer.hpp>

#include "os/asio.h"

namespace hwvault::service {

struct Watchers::Stream {
    Stream(const boost::asio::any_io_executor& strand, policy::Caller who, std::string filter)
        : caller(std::move(who)), account(std::move(filter)), arrived(strand) {
        arrived.expires_at(boost::asio::steady_timer::time_point::max());
    }

    policy::Caller caller;
    std::string account;
    std::deque<vault::Notice> backlog;
    bool ended{false};
    boost::asio::steady_timer arrived;
};

namespace {

class StreamWatch final : public Watch {
public:
    explicit StreamWatch(std::shared_ptr<Watchers::Stream> stream) : stream_(std::move(stream)) {}

    Awaitable<vault::Notice> next() override {
        const auto stream = stream_;  // outlives this object while it waits
        while (stream->backlog.empty() && !stream->ended) {
            co_await stream->arrived.async_wait(os::kAsTuple);
        }
        if (stream->ended) {
            co_return Error{ErrorCode::kBusy, "The watch has ended: changes came faster than they were read. Watch again."};
        }
        vault::Notice notice = std::move(stream->backlog.front());
        stream->backlog.pop_front();
        co_return notice;
    }

    void cancel() override {
        stream_->ended = true;
        stream_->arrived.cancel();
    }

private:
    std::shared_ptr<Watchers::Stream> stream_;
};

}  // namespace

std::unique_ptr<Watch> Watchers::add(policy::Caller caller, std::string account) {
    std::erase_if(streams_, [](const auto& stream) { return stream.expired(); });
    auto stream = std::make_shared<Stream>(strand_, std::move(caller), std::move(account));
    streams_.push_back(stream);
    return std::make_unique<StreamWatch>(std::move(stream));
}

void Watchers::publish(const vault::Notice& notice, const std::function<bool(const policy::Caller&)>& may_see) {
    for (const auto& weak : streams_) {
        const auto stream = weak.lock();
        if (!stream || stream->ended) continue;
        if (stream->account != "*" && stream->account != notice.account) continue;
        if (!may_see(stream->caller)) continue;
        if (stream->backlog.size() >= Watch::kMaxBacklog) {
            stream->ended = true;
        } else {
            stream->backlog.push_back(notice);
        }
        stream->arrived.cancel();
    }
}

std::size_t Watchers::count() const {
    return streams_.size();
}

}  // namespace hwvault::service
