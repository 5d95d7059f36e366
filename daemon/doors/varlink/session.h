// SPDX-License-Identifier: LGPL-2.1-or-later
//
// One client's connection: reads a call, has it answered, and goes on to the next, in order.
//
// Calls that were pipelined are answered from what is buffered, and their replies written together; after
// kMaxCallsInOneGo of them, oneway or not, others on the strand have their turn. Verify, which waits for nothing, is
// answered as it is read, without a coroutine of its own (plain_verify.h); all else goes call by call. The caller is asked for at the first
// call that needs one, once: the kernel's answer is that of connect(2), whenever it is asked.
// Not thread-safe: lives on the service's strand.
#pragma once

#include <memory>
#include <optional>

#include <boost/asio/awaitable.hpp>

#include "daemon/doors/varlink/call.h"
#include "daemon/doors/varlink/connections.h"
#include "daemon/doors/varlink/message_stream.h"
#include "daemon/doors/varlink/reply.h"
#include "daemon/peer/peer.h"
#include "daemon/service/service.h"

namespace hwvault::doors::varlink {

class Session : public std::enable_shared_from_this<Session> {
public:
    // Whom the session asks; both outlive it.
    struct Rooms {
        service::Service& service;
        peer::Resolver& resolver;
    };
    Session(Rooms rooms, std::shared_ptr<MessageStream> stream, Connections::Place place)
        : rooms_(rooms), stream_(std::move(stream)), place_(std::move(place)) {}

    // Until the client leaves, sends what is no call, or after finish() all that it had sent is answered.
    boost::asio::awaitable<void> run();
    // Ends once all that the client has sent is answered.
    void finish() { stream_->finish(); }
    void close() { stream_->close(); }

private:
    boost::asio::awaitable<bool> next_is_here();
    std::size_t verify_at_once();
    boost::asio::awaitable<bool> let_others();
    boost::asio::awaitable<bool> serve_one();
    boost::asio::awaitable<bool> answer(Call call);
    boost::asio::awaitable<std::optional<Reply>> dispatch(Call call);
    boost::asio::awaitable<std::optional<Reply>> watch(Call call);
    boost::asio::awaitable<Result<void>> identify();
    void queue(Reply reply);

    Rooms rooms_;
    std::shared_ptr<MessageStream> stream_;
    Connections::Place place_;
    std::optional<peer::Identity> identity_;
    std::size_t calls_in_one_go_{0};
    bool is_verifying_{false};  // the last call was one of Verify
    bool is_one_too_many_{false};  // of its unit's connections: it ends when that was said
};

}  // namespace hwvault::doors::varlink
