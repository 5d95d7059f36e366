// SPDX-License-Identifier: LGPL-2.1-or-later
#include "daemon/doors/credential/notices.h"

#include <algorithm>
#include <array>
#include <exception>
#include <string_view>
#include <utility>

#include <boost/asio/buffer.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/write.hpp>
#include <spdlog/spdlog.h>

#include "daemon/doors/credential/limits.h"
#include "daemon/vault/names.h"
#include "os/asio.h"

namespace hwvault::doors::credential {
namespace {

namespace asio = boost::asio;
using asio::awaitable;
using os::kAsTuple;

// Ours, made once by chance: `journalctl MESSAGE_ID=...` finds all of these.
constexpr std::string_view kMessageId = "MESSAGE_ID=96208485e19a4a25835858d26400a861\n";

constexpr auto kPauseOfConnect = std::chrono::milliseconds(50);  // while the socket's queue is full

// What an administrator can do about it that the error's own words do not say.
std::string advice(const Refusal& refusal) {
    if (refusal.why.code != ErrorCode::kAccessDenied) return {};
    return " `hwvault policy explain --unit " + refusal.place.unit + " retrieve " + refusal.token.account + "/" +
           refusal.token.name + "` says by which rule.";
}

}  // namespace

std::string sentence_of(const Refusal& refusal) {
    const std::string& why = refusal.why.message;
    return "The credential " + refusal.place.credential + " of " + refusal.place.unit + " was refused: " +
           std::string(word(refusal.why.code)) + (vault::is_one_line(why) ? ": " + why : ".") + advice(refusal);
}

std::string notice_of(const Refusal& refusal) {
    return "MESSAGE=" + sentence_of(refusal) + "\nPRIORITY=3\nSYSLOG_IDENTIFIER=hwvaultd\n" + std::string(kMessageId) +
           "OBJECT_SYSTEMD_UNIT=" + refusal.place.unit + "\nHWVAULT_CREDENTIAL=" + refusal.place.credential +
           "\nHWVAULT_ACCOUNT=" + refusal.token.account + "\nHWVAULT_NAME=" + refusal.token.name +
           "\nHWVAULT_ERROR=" + std::string(word(refusal.why.code)) + "\n";
}

void Notices::say(const Refusal& refusal) {
    if (socket_.empty()) return;
    const auto of_unit = std::ranges::count(waiting_, refusal.place.unit, &Waiting::unit);
    if (of_unit >= kMaxNoticesOfUnit || waiting_.size() >= kMaxNoticesWaiting) {
        tell_of_trouble("too many wait to be written");
        return;
    }
    waiting_.push_back({refusal.place.unit, notice_of(refusal)});
    send_next();
}

void Notices::send_next() {
    if (waiting_.empty() || under_way_ >= kMaxNoticesAtOnce) return;
    ++under_way_;
    std::string notice = std::move(waiting_.front().text);
    waiting_.pop_front();
    asio::co_spawn(strand_, send(std::move(notice)), [self = shared_from_this()](const std::exception_ptr& failed) {
        if (failed) self->tell_of_trouble("out of memory");
        --self->under_way_;
        self->send_next();
    });
}

awaitable<void> Notices::send(std::string notice) {
    const auto socket = std::make_shared<Socket>(strand_);
    asio::steady_timer deadline(strand_, kNoticeDeadline);
    deadline.async_wait([socket](boost::system::error_code cancelled) {
        boost::system::error_code ignored;
        if (!cancelled) socket->close(ignored);
    });
    const bool said = co_await hand_over(socket, std::move(notice));
    if (said) told_of_trouble_ = false;
}

// Done once the reader has closed its end: only then is its place in the socket unit free again.
awaitable<bool> Notices::hand_over(std::shared_ptr<Socket> socket, std::string notice) {
    const auto failed = co_await connect(*socket);
    if (failed) {
        tell_of_trouble(failed.message());
        co_return false;
    }
    const auto [unwritten, written] = co_await asio::async_write(*socket, asio::buffer(notice), kAsTuple);
    if (unwritten) {
        tell_of_trouble(unwritten.message());
        co_return false;
    }
    boost::system::error_code ignored;
    socket->shutdown(Socket::shutdown_send, ignored);
    std::array<char, 64> nothing{};
    for (;;) {
        const auto [ended, read] = co_await socket->async_read_some(asio::buffer(nothing), kAsTuple);
        if (ended) co_return true;
    }
}

awaitable<boost::system::error_code> Notices::connect(Socket& socket) {
    const asio::local::stream_protocol::endpoint there(socket_.native());
    const auto deadline = std::chrono::steady_clock::now() + kNoticeDeadline;
    for (;;) {
        const auto [failed] = co_await socket.async_connect(there, kAsTuple);
        const bool is_full = failed == asio::error::no_buffer_space || failed == asio::error::try_again;
        if (!is_full || std::chrono::steady_clock::now() > deadline) co_return failed;
        asio::steady_timer pause(strand_, kPauseOfConnect);
        co_await pause.async_wait(kAsTuple);
    }
}

// Once, until one was said.
void Notices::tell_of_trouble(const std::string& why) {
    if (std::exchange(told_of_trouble_, true)) return;
    spdlog::warn("credential: a reason could not be put into its unit's journal by {}: {}. It stands here alone. See "
                 "`systemctl status hwvault-notice.socket`.",
                 socket_.string(), why);
}

}  // namespace hwvault::doors::credential
