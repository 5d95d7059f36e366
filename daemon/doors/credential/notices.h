// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Why a unit was not given its credential, said in that unit's own journal, where `journalctl -u` shows it.
//
// Only uid 0 may write there (OBJECT_SYSTEMD_UNIT= of systemd.journal-fields(7)), so the sentence goes to
// hwvault-notice.socket. No more is said at once than that takes; what cannot be said is logged by hwvaultd alone.
// Nothing here waits on the strand. Not thread-safe: lives on the service's strand.
#pragma once

#include <deque>
#include <filesystem>
#include <memory>
#include <string>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/local/stream_protocol.hpp>

#include "daemon/doors/credential/mapping.h"
#include "foundation/result.h"

namespace hwvault::doors::credential {

using Socket = boost::asio::basic_stream_socket<boost::asio::local::stream_protocol, boost::asio::any_io_executor>;

struct Refusal {
    Place place;
    TokenReference token;
    Error why;
};

// The same in one sentence, for the journal and the log: one line, whatever the error's message is.
std::string sentence_of(const Refusal& refusal);
// The message as `logger --journald` reads it: lines of FIELD=value.
std::string notice_of(const Refusal& refusal);

class Notices : public std::enable_shared_from_this<Notices> {
public:
    // An empty path: nothing is said.
    Notices(boost::asio::any_io_executor strand, std::filesystem::path socket)
        : strand_(std::move(strand)), socket_(std::move(socket)) {}

    void say(const Refusal& refusal);

private:
    void send_next();
    boost::asio::awaitable<void> send(std::string notice);
    boost::asio::awaitable<bool> hand_over(std::shared_ptr<Socket> socket, std::string notice);
    boost::asio::awaitable<boost::system::error_code> connect(Socket& socket);
    void tell_of_trouble(const std::string& why);

    boost::asio::any_io_executor strand_;
    std::filesystem::path socket_;
    struct Waiting {
        std::string unit;
        std::string text;
    };
    std::deque<Waiting> waiting_;
    std::size_t under_way_{0};
    bool told_of_trouble_{false};
};

}  // namespace hwvault::doors::credential
