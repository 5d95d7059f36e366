// SPDX-License-Identifier: LGPL-2.1-or-later
#include "daemon/doors/credential/session.h"

#include <algorithm>
#include <exception>
#include <utility>

#include <poll.h>

#include <boost/asio/buffer.hpp>
#include <boost/asio/co_spawn.hpp>
#include <spdlog/spdlog.h>

#include "daemon/doors/credential/peer_name.h"
#include "os/asio.h"

namespace hwvault::doors::credential {
namespace {

namespace asio = boost::asio;
using asio::awaitable;
using os::kAsTuple;

constexpr std::uint32_t kNobody = 65'534;

Error denied(std::string message) {
    return {ErrorCode::kAccessDenied, std::move(message)};
}

// Of units that start together with the device, and with many others.
bool may_pass(const Error& error) {
    return error.code == ErrorCode::kBusy || error.code == ErrorCode::kHardwareUnavailable;
}

// To the gate it is the unit and nobody else: systemd asks as root, whose rights are no unit's.
peer::Identity as_unit(peer::Identity systemd) {
    policy::Caller caller;
    caller.uid = kNobody;
    caller.unit = std::move(systemd.caller.unit);
    caller.invocation = std::move(systemd.caller.invocation);
    caller.executable = std::move(systemd.caller.executable);
    return {.caller = std::move(caller), .pidfd = std::move(systemd.pidfd)};
}

// No secret, and no use to a program that would take it for one.
const std::string& filler() {
    static const std::string text = [] {
        constexpr std::string_view kLine = "hwvault refused this credential; the unit's journal says why.\n";
        std::string lines;
        while (lines.size() < (32U << 10)) lines.append(kLine);
        return lines;
    }();
    return text;
}

// With the length of its name, as systemd counts.
Result<void> check_size(const SecretBytes& secret, const std::string& credential) {
    if (secret.empty()) return Error{ErrorCode::kInternal, "The vault has an empty secret there. Import it again."};
    if (secret.size() + credential.size() <= kMostOfSystemd) return {};
    return invalid_argument("The secret has " + std::to_string(secret.size()) + " bytes, and systemd takes at most 1 MiB"
                            " less the length of the credential's name. Import a smaller one.");
}

}  // namespace

Session::Session(std::shared_ptr<const Parts> parts, Socket connection, std::string name, Kind kind)
    : parts_(std::move(parts)),
      connection_(std::move(connection)),
      name_(std::move(name)),
      kind_(kind),
      decision_clock_(parts_->service.executor()),
      reader_clock_(parts_->service.executor()),
      decide_by_(Clock::now() + parts_->limits.decision) {}

awaitable<void> Session::run() {
    const auto self = shared_from_this();
    auto token = co_await decide();
    if (token) {
        if (auto fits = check_size(*token, place_->credential); !fits) token = std::move(fits).error();
    }
    if (peer_is_gone()) {
        spdlog::info("credential: {} did not wait for its answer.", place_ ? place_->unit : "a process");
    } else if (token) {
        co_await write(token->reveal());
    } else {
        tell(token.error());
        co_await refuse();
    }
    end();
}

// Whatever the vault and the name service do, by the deadline something is decided.
awaitable<Result<SecretBytes>> Session::decide() {
    auto answer = std::make_shared<std::optional<Result<SecretBytes>>>();
    const auto asking = [](std::shared_ptr<Session> self,
                           std::shared_ptr<std::optional<Result<SecretBytes>>> into) -> awaitable<void> {
        auto token = co_await self->ask();
        into->emplace(std::move(token));
    };
    const auto asked = [self = shared_from_this(), answer](const std::exception_ptr& failed) {
        if (failed) answer->emplace(Error{ErrorCode::kInternal, "hwvaultd is out of memory. Start the unit again."});
        self->decision_clock_.cancel();
    };
    asio::co_spawn(parts_->service.executor(), asking(shared_from_this(), answer), asked);
    while (!*answer && Clock::now() < decide_by_) {
        decision_clock_.expires_at(decide_by_);
        co_await decision_clock_.async_wait(kAsTuple);
    }
    if (*answer) co_return std::move(**answer);
    if (hurrying_) co_return Error{ErrorCode::kBusy, "hwvaultd is being stopped. Start the unit again once it runs."};
    co_return Error{ErrorCode::kBusy, "The vault did not answer in time. Look at `hwvault status`, and start the unit"
                                      " again."};
}

awaitable<Result<SecretBytes>> Session::ask() {
    const auto until = Clock::now() + parts_->limits.patience;
    auto pause = parts_->limits.first_pause;
    for (;;) {
        auto token = co_await ask_once();
        const bool is_over = hurrying_ || peer_is_gone() || Clock::now() + pause > until;
        if (token || !may_pass(token.error()) || is_over) co_return token;
        asio::steady_timer timer(parts_->service.executor(), pause);
        co_await timer.async_wait(kAsTuple);
        pause = std::min(2 * pause, parts_->limits.longest_pause);
    }
}

awaitable<Result<SecretBytes>> Session::ask_once() {
    HWVAULT_CO_CHECK(co_await identify());
    if (kind_ == Kind::kLeft) {
        co_return Error{ErrorCode::kInternal, "hwvaultd ended while it answered. Start the unit again."};
    }
    TokenReference token = token_for(parts_->mapping, *place_);
    auto retrieved = co_await parts_->service.retrieve(*unit_, std::move(token.account), std::move(token.name));
    if (!retrieved) co_return std::move(retrieved).error();
    co_return std::move(retrieved->secret);
}

awaitable<Result<void>> Session::identify() {
    if (unit_) co_return Result<void>();
    HWVAULT_CO_TRY(auto credentials, credentials_of_root());
    HWVAULT_CO_TRY(place_, claim_of(connection_.native_handle()));
    if (!parts_->kernel_tells_process) {
        // It is root that says so, and root may write into any unit's journal.
        may_tell_unit_ = true;
        co_return denied("This kernel does not say surely which process asks, so that nobody is known to be a unit. "
                         "Credentials need Linux 6.5 or later.");
    }
    HWVAULT_CO_TRY(auto systemd, co_await parts_->resolver.resolve(std::move(credentials)));
    if (!systemd.caller.unit || *systemd.caller.unit != place_->unit) {
        co_return denied("A process of root's asked in the name of " + place_->unit + " and is not in its control group"
                         ", but " + (systemd.caller.unit ? "in that of " + *systemd.caller.unit : "in none of a unit's") +
                         ". A unit with Delegate= whose processes are below its own group (DelegateSubgroup=) counts as"
                         " none.");
    }
    unit_ = as_unit(std::move(systemd));
    may_tell_unit_ = true;
    co_return Result<void>();
}

Result<peer::Credentials> Session::credentials_of_root() {
    HWVAULT_TRY(auto credentials, peer::credentials_of(connection_.native_handle()));
    is_root_ = credentials.uid == 0;
    if (is_root_) return credentials;
    return denied("A process of uid " + std::to_string(credentials.uid) + " asked for a credential, which systemd alone "
                  "may. Look at the socket's owner and mode.");
}

// Once here, and once in the unit's own journal: never in that of a unit which only was named.
void Session::tell(const Error& why) {
    if (!may_tell_unit_) {
        spdlog::warn("credential: a connection was refused: {}: {}", word(why.code), why.message);
        return;
    }
    const Refusal refusal{*place_, token_for(parts_->mapping, *place_), why};
    spdlog::warn("credential: {}", sentence_of(refusal));
    parts_->notices->say(refusal);
}

awaitable<void> Session::refuse() {
    for (std::size_t left = kRefusalSize; left > 0;) {
        const auto part = bytes_of(filler()).first(std::min(left, filler().size()));
        const bool going_on = co_await write(part);
        if (!going_on) co_return;
        left -= part.size();
    }
}

// False when the peer takes no more.
awaitable<bool> Session::write(BytesView bytes) {
    start_clock_of_reader();
    while (!bytes.empty()) {
        const auto [failed, written] =
            co_await connection_.async_write_some(asio::buffer(bytes.data(), bytes.size()), kAsTuple);
        if (failed) co_return false;
        bytes = bytes.subspan(written);
    }
    co_return true;
}

// One that is not root's is no systemd, which would start a unit with a part.
void Session::start_clock_of_reader() {
    reader_clock_.expires_after(parts_->limits.unread);
    reader_clock_.async_wait([weak = weak_from_this()](boost::system::error_code cancelled) {
        const auto self = weak.lock();
        if (cancelled || !self) return;
        boost::system::error_code ignored;
        if (!self->is_root_) self->connection_.close(ignored);
        else spdlog::warn("credential: {} does not read its answer. Its connection is kept until it does, or ends.",
                          self->place_ ? self->place_->unit : "a process of root's");
    });
}

// Both directions are shut, where systemd shuts only its own at once.
bool Session::peer_is_gone() {
    pollfd wanted{connection_.native_handle(), 0, 0};
    return ::poll(&wanted, 1, 0) == 1 && (wanted.revents & POLLHUP) != 0;
}

void Session::hurry() {
    hurrying_ = true;
    decide_by_ = std::min(decide_by_, Clock::now() + parts_->limits.drain);
    decision_clock_.cancel();
}

void Session::abandon() {
    abandoned_ = true;
    boost::system::error_code ignored;
    connection_.close(ignored);
}

// The end is said before the descriptor store's copy goes, which would delay it.
void Session::end() {
    reader_clock_.cancel();
    if (abandoned_) return;
    boost::system::error_code ignored;
    connection_.shutdown(Socket::shutdown_send, ignored);
    connection_.close(ignored);
    parts_->descriptor_store->release(name_);
}

}  // namespace hwvault::doors::credential
