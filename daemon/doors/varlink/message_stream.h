// SPDX-License-Identifier: LGPL-2.1-or-later
//
// One connection's bytes: whole messages in, replies out, in order, each wait with its deadline.
//
// What is read and what is written may hold a token, so it lies in locked memory only. Calls that can be answered at once
// are read and answered in the workspace of all connections, with one read and one send; what needs a wait has buffers of
// its own, while it needs them: an idle connection has none. A client that passes descriptors ends its connection where
// the kernel did not refuse them (passed_descriptors.h). Not thread-safe: lives on the service's strand.
#pragma once

#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/steady_timer.hpp>

#include "daemon/doors/varlink/connections.h"
#include "daemon/doors/varlink/passed_descriptors.h"
#include "daemon/doors/varlink/poller.h"
#include "daemon/doors/varlink/workspace.h"
#include "foundation/bytes.h"
#include "foundation/result.h"
#include "foundation/secret.h"

namespace hwvault::doors::varlink {

using Socket = boost::asio::basic_stream_socket<boost::asio::local::stream_protocol, boost::asio::any_io_executor>;

class MessageStream final : public std::enable_shared_from_this<MessageStream>, private Poller::Client {
public:
    // What all streams of a door share.
    struct Shared {
        std::shared_ptr<Connections> connections;
        std::shared_ptr<Closer> closer;
        std::shared_ptr<Workspace> workspace;
        std::shared_ptr<Poller> poller;
    };
    MessageStream(Socket socket, Shared shared);
    MessageStream(const MessageStream&) = delete;
    MessageStream& operator=(const MessageStream&) = delete;
    ~MessageStream() override { close(); }

    // Nothing lies here: neither what was read, nor what is to be written.
    [[nodiscard]] bool is_at_rest() const { return begin_ == end_ && output_.empty(); }
    // Until the client says more, or goes, or replies wait for flush(). False when the stream is closed. Has no deadline: it is
    // for clients that have made a call.
    boost::asio::awaitable<bool> readable();
    // The same for a client from whom more of such calls is expected as `answer` answers at once: it is called each time that
    // the client has said more, and says how many it has answered. Ends when that is none, or not all that was said.
    boost::asio::awaitable<bool> readable_beyond(std::function<std::size_t()> answer);

    // What was read, or can be without a wait; empty when that is nothing, or not a whole message. Valid until answer().
    BytesView read_at_once();
    // Where the replies to it are written.
    [[nodiscard]] std::span<std::uint8_t> reply_space() { return workspace_->room(); }
    // The first `taken` bytes of what was read are done with, and the first `written` of reply_space() answer them. They are
    // sent before anything else is, and before anything is waited for; what was read beyond `taken` waits for next().
    void answer(std::size_t taken, std::size_t written);
    // Sends these replies: none is gathered any more, and has_replies() is true if the client did not take all. So they go
    // before what is queued.
    void send_gathered() {
        if (has_gathered_) workspace_->send_all();
    }
    // For the workspace. What the client does not take now waits for flush(), and readable() ends. Where there is no memory for
    // it the stream is closed.
    void send_now(BytesView replies) noexcept;

    // The next message without its NUL, valid until forget() or the next call; nullopt when none will come: the
    // client went away or said nothing, or finish() was called and all that was sent has been read. An error is one for the
    // client to hear before the connection closes: the message is too large, did not end in time or at all, or brings
    // descriptors, or there is no memory for it.
    boost::asio::awaitable<Result<std::optional<BytesView>>> next();
    // Wipes what the last next() gave. A large message's share of the memory is kept: what was read from it lies in
    // memory still, until the call has been answered.
    void forget();
    // Gives that share back.
    void release();
    // True when the next message is here already.
    [[nodiscard]] bool has_message();

    // False when there is no memory for a reply of this size now: nothing was queued. With descriptors it is the first.
    [[nodiscard]] bool queue(SecretBytes reply, std::vector<os::Fd> descriptors = {});
    [[nodiscard]] bool has_replies() const { return !output_.empty(); }
    // True when so much is queued that it should be written before more is.
    [[nodiscard]] bool is_full() const;
    // Writes what is queued. False when the client does not take it in time, or is gone: the stream is then closed.
    boost::asio::awaitable<bool> flush();

    // Calls `gone` when the client goes away or finish() is called, unless stop_watching() comes first. One at a time.
    void watch_client(std::function<void()> gone);
    void stop_watching() { watching_.emit(boost::asio::cancellation_type::all); }

    // The client can send nothing more, which it is told; what it has sent is still read, and answers are written.
    void finish();
    [[nodiscard]] bool is_finishing() const { return finishing_; }
    void close();

    [[nodiscard]] int fd() { return at_poller_ ? at_poller_.get() : socket_.native_handle(); }

private:
    std::size_t on_readable() override;
    [[nodiscard]] bool go_to_poller();
    void leave_poller();
    void give_to_asio();
    [[nodiscard]] bool is_open() const { return at_poller_ || socket_.is_open(); }
    std::size_t receive_at_once(std::span<std::uint8_t> space);
    void keep(BytesView rest);
    [[nodiscard]] bool queue_rest(BytesView rest) noexcept;
    [[nodiscard]] BytesView unread() const { return input_.reveal().subspan(begin_, end_ - begin_); }
    std::optional<BytesView> whole_message();
    Result<void> make_room();
    struct Read;
    boost::asio::awaitable<Read> read();
    boost::asio::awaitable<Read> read_bytes_only();
    boost::asio::awaitable<bool> wait_for_first_byte();
    boost::asio::awaitable<bool> send_descriptors();
    void start_clock(std::chrono::milliseconds limit);
    void stop_clock();

    Socket socket_;
    std::shared_ptr<Connections> connections_;
    std::shared_ptr<Closer> closer_;
    std::shared_ptr<Workspace> workspace_;
    std::shared_ptr<Poller> poller_;
    os::Fd at_poller_;  // the socket, while it waits there; Asio has it otherwise
    std::optional<Poller::Place> place_;
    std::function<std::size_t()> answer_;
    std::exception_ptr failure_;  // of answer_
    std::size_t in_workspace_{0};  // bytes that were read there
    bool has_gathered_{false};     // replies, there too
    const bool may_bring_descriptors_;
    boost::asio::steady_timer clock_;
    bool too_late_{false};  // the clock ran out and cancelled what the socket waited for
    bool had_message_{false};
    bool writing_{false};
    bool finishing_{false};
    boost::asio::cancellation_signal watching_;

    SecretBytes input_;
    std::size_t begin_{0};     // of the message that next() gave, or else of the next one
    std::size_t end_{0};       // of what was read
    std::size_t searched_{0};  // bytes after begin_ that hold no NUL
    std::size_t returned_{0};  // bytes of the message that next() gave, its NUL included
    Connections::Memory input_memory_;

    std::vector<SecretBytes> output_;
    std::size_t output_size_{0};
    std::vector<os::Fd> descriptors_;  // that go with its first byte
    Connections::Memory output_memory_;
};

}  // namespace hwvault::doors::varlink
