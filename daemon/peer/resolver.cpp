// SPDX-License-Identifier: LGPL-2.1-or-later
#include <algorithm>
#include <utility>

#include "daemon/peer/name_service.h"
#include "daemon/peer/peer.h"
#include "daemon/peer/process.h"
#include "os/blocking.h"
#include "os/turns.h"

namespace hwvault::peer {
namespace {

using boost::asio::awaitable;

constexpr std::uint32_t kNobody = 65'534;
constexpr std::uint32_t kFirstDynamic = 61'184;  // systemd's DynamicUser= range (UIDS-GIDS.md)
constexpr std::uint32_t kLastDynamic = 65'519;
// Groups whose names are asked for, the primary one first: a caller in more is only known by these.
constexpr std::size_t kMaxGroupNames = 64;

// Of look-ups: each has a thread at once, and those of one uid that hang leave threads to the others.
constexpr os::Turns::Limits kTurns{.at_once = 4, .at_once_of_one = 2};

constexpr const char* kNamesSilent =
    "The system's name service did not say in time who is calling. Try again; if it lasts, look at"
    " `getent passwd` and the directory that nsswitch.conf names.";

constexpr const char* kProcessSilent =
    "It could not be seen in time whether you still run in your unit. Try again in a second.";

// An id that stands for nobody in particular: another process may have it tomorrow.
bool has_no_owner(std::uint32_t id) {
    return id == kNobody || (id >= kFirstDynamic && id <= kLastDynamic);
}

Error names_failed(const Error& cause) {
    return {ErrorCode::kBusy, "The system's name service failed (" + cause.message + "). Try again."};
}

Result<std::vector<std::string>> names_of(const std::vector<std::uint32_t>& gids, const NameService& names) {
    std::vector<std::string> groups;
    const std::size_t count = std::min(gids.size(), kMaxGroupNames);
    for (std::size_t i = 0; i < count; ++i) {
        if (has_no_owner(gids[i])) continue;
        auto name = names.group_of(gids[i]);
        if (!name) return names_failed(name.error());
        if (*name) groups.push_back(std::move(**name));
    }
    return groups;
}

// Blocking. The unit comes last, so that the process is known to be there after everything else was asked.
Result<Identity> identify(const Credentials& credentials, const NameService& names) {
    Identity identity;
    policy::Caller& caller = identity.caller;
    caller.uid = credentials.uid;
    if (!has_no_owner(credentials.uid)) {
        auto user = names.user_of(credentials.uid);
        if (!user) return names_failed(user.error());
        caller.user = std::move(*user);
    }
    HWVAULT_TRY(caller.groups, names_of(credentials.gids, names));
    static const os::Fd kNone;
    const os::Fd& pidfd = credentials.pidfd ? *credentials.pidfd : kNone;
    caller.executable = executable_of(pidfd, credentials.pid);
    if (auto unit = unit_of(pidfd)) {
        caller.unit = std::move(unit->name);
        caller.invocation = std::move(unit->invocation);
        identity.pidfd = credentials.pidfd;
    }
    return identity;
}

// Blocking.
policy::Caller as_it_is_now(const Identity& identity) {
    policy::Caller caller = identity.caller;
    const auto unit = identity.pidfd ? unit_of(*identity.pidfd) : std::nullopt;
    if (unit && unit->name == caller.unit) return caller;
    caller.unit.reset();
    caller.invocation.clear();
    return caller;
}

class ThreadedResolver final : public Resolver {
public:
    ThreadedResolver(boost::asio::any_io_executor strand, NameService names, std::chrono::milliseconds deadline)
        : strand_(std::move(strand)),
          names_(std::make_shared<const NameService>(std::move(names))),
          deadline_(deadline),
          threads_({.threads = kTurns.at_once, .queue = 256, .hung = 14}),
          process_threads_(os::BlockingThreads::Limits{}),
          waiting_(std::make_shared<Waiting>(strand_, kTurns)) {}
    ThreadedResolver(const ThreadedResolver&) = delete;
    ThreadedResolver& operator=(const ThreadedResolver&) = delete;
    ~ThreadedResolver() override { waiting_->is_over = true; }

    awaitable<Result<Identity>> resolve(Credentials credentials) override {
        const std::uint32_t uid = credentials.uid;
        std::function<Result<Identity>()> call = [credentials = std::move(credentials), names = names_] {
            return identify(credentials, *names);
        };
        return in_turn(uid, std::move(call));
    }

    awaitable<Result<policy::Caller>> confirm(Identity identity) override {
        if (!identity.caller.unit) co_return std::move(identity.caller);
        std::function<Result<policy::Caller>()> call = [identity = std::move(identity)] { return as_it_is_now(identity); };
        co_return co_await process_threads_.run<policy::Caller>(strand_, std::move(call), deadline_, kProcessSilent);
    }

    awaitable<Result<std::uint32_t>> uid_of(std::uint32_t asking, std::string user) override {
        std::function<Result<std::uint32_t>()> call = [user = std::move(user),
                                                       names = names_]() -> Result<std::uint32_t> {
            auto uid = names->uid_of(user);
            if (!uid) return names_failed(uid.error());
            if (!*uid || has_no_owner(**uid)) {
                return Error{ErrorCode::kNotFound, "There is no user " + user + " on this machine."};
            }
            return **uid;
        };
        return in_turn(asking, std::move(call));
    }

private:
    // Outlives this object with those who wait in it.
    struct Waiting {
        Waiting(boost::asio::any_io_executor strand, const os::Turns::Limits& limits) : turns(std::move(strand), limits) {}
        os::Turns turns;
        bool is_over{false};
    };

    // Asks the name service on behalf of a uid.
    template <class T>
    awaitable<Result<T>> in_turn(std::uint32_t uid, std::function<Result<T>()> call) {
        const auto waiting = waiting_;
        const auto until = std::chrono::steady_clock::now() + deadline_;
        const auto turn = co_await waiting->turns.take("uid:" + std::to_string(uid), until);
        if (!turn || waiting->is_over) co_return Error{ErrorCode::kBusy, kNamesSilent};
        co_return co_await threads_.run<T>(strand_, std::move(call), deadline_, kNamesSilent);
    }

    boost::asio::any_io_executor strand_;
    std::shared_ptr<const NameService> names_;  // shared with calls that outlive this
    std::chrono::milliseconds deadline_;
    os::BlockingThreads threads_;          // for the name service, which may hang
    os::BlockingThreads process_threads_;  // for /proc, so that what hangs there does not hold this up
    std::shared_ptr<Waiting> waiting_;
};

}  // namespace

std::unique_ptr<Resolver> make_resolver(boost::asio::any_io_executor strand, NameService names,
                                        std::chrono::milliseconds deadline) {
    return std::make_unique<ThreadedResolver>(std::move(strand), std::move(names), deadline);
}

std::unique_ptr<Resolver> Resolver::create(boost::asio::any_io_executor strand) {
    return make_resolver(std::move(strand), system_names(), kResolveDeadline);
}

}  // namespace hwvault::peer
