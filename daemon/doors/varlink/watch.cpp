// SPDX-License-Identifier: LGPL-2.1-or-later
#include "daemon/doors/varlink/watch.h"

#include <utility>

namespace hwvault::doors::varlink {
namespace {

using boost::asio::awaitable;

Reply event_reply(std::string_view event) {
    Reply reply = success();
    reply.parameters.emplace("event", event);
    reply.continues = true;
    return reply;
}

Reply event_reply(const vault::Notice& notice) {
    Reply reply = event_reply(notice.event);
    reply.parameters.emplace("account", notice.account);
    reply.parameters.emplace("name", notice.name);
    reply.parameters.emplace("generation", notice.generation);
    return reply;
}

Reply stopping() {
    return failure({ErrorCode::kBusy, "The vault is stopping. Watch again when it is back."});
}

// False when the stream was closed.
awaitable<bool> send(MessageStream& stream, Reply reply) {
    // Small, and at most kMaxQueuedBytes lie before it: there is always memory for it.
    static_cast<void>(stream.queue(message_of(std::move(reply))));
    if (!stream.is_full()) co_return true;
    const bool sent = co_await stream.flush();
    co_return sent;
}

// False when the stream was closed.
awaitable<Result<bool>> send_present(service::Service& service, const policy::Caller& caller, MessageStream& stream,
                                     std::string account) {
    std::string cursor;
    do {
        auto page = co_await service.list(caller, account, cursor, 0);
        if (!page) co_return std::move(page).error();
        for (auto& info : page->infos) {
            vault::Notice notice{std::move(info.account), std::move(info.name), info.generation, "present"};
            const bool sent = co_await send(stream, event_reply(notice));
            if (!sent) co_return false;
        }
        cursor = std::move(page->next);
    } while (!cursor.empty() && !stream.is_finishing());
    const bool sent = co_await send(stream, event_reply("state-complete"));
    co_return sent;
}

awaitable<std::optional<Reply>> send_changes(service::Watch& watch, MessageStream& stream) {
    for (;;) {
        const bool sent = co_await stream.flush();
        if (!sent) co_return std::nullopt;
        if (stream.is_finishing()) co_return stopping();
        const auto notice = co_await watch.next();
        if (!notice) co_return stream.is_finishing() ? stopping() : failure(notice.error());
        static_cast<void>(stream.queue(message_of(event_reply(*notice))));
    }
}

}  // namespace

awaitable<std::optional<Reply>> stream_changes(service::Service& service, const policy::Caller& caller,
                                               MessageStream& stream, std::string account) {
    auto subscribed = service.watch(caller, account);
    if (!subscribed) co_return failure(subscribed.error());
    const std::shared_ptr<service::Watch> watch = std::move(*subscribed);
    stream.watch_client([weak = std::weak_ptr<service::Watch>(watch)] {
        if (const auto still_there = weak.lock()) still_there->cancel();
    });
    std::optional<Reply> last;
    const auto present = co_await send_present(service, caller, stream, std::move(account));
    if (!present) last = failure(present.error());
    if (present && *present) last = co_await send_changes(*watch, stream);
    stream.stop_watching();
    co_return last;
}

}  // namespace hwvault::doors::varlink
