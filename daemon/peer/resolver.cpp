// SPDX-License-Identifier: LGPL-2.1-or-later
#include <algorithm>
#include <utility>

#include "daemon/peer/name_service.h"
#include "daemon/peer/peer.h"
#include "daemon/peer/process.h"
#include "os/blocking.h"

namespace hwvault::peer {
namespace {

using boost::asio::awaitable;

constexpr std::uint32_t kNobody = 65'534;
constexpr std::uint32_t kFirstDynamic = 61'184;  // systemd's DynamicUser= range (UIDS-GIDS.md)
constexpr std::uint32_t kLastDynamic = 65'519;
// Groups whose names are asked for, the primary one first: a caller in more is only known by these.
constexpr std::size_t kMaxGroupNames = 64;

constexpr const char* kNamesSilent =
    "The system's name service did not say in time who is calling. Try again; if it lasts, look at"
    " `getent passwd` and the directory that nsswitch.conf names.";

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
Result<policy::Caller> identify(const Credentials& credentials, const NameService& names) {
    policy::Caller caller;
    caller.uid = credentials.uid;
    if (!has_no_owner(credentials.uid)) {
        auto user = names.user_of(credentials.uid);
        if (!user) return names_failed(user.error());
        caller.user = std::move(*user);
    }
    HWVAULT_TRY(caller.groups, names_of(credentials.gids, names));
    caller.executable = executable_of(credentials.pidfd, credentials.pid);
    caller.unit = unit_of(credentials.pidfd);
    return caller;
}

class ThreadedResolver final : public Resolver {
public:
    ThreadedResolver(boost::asio::any_io_executor strand, NameService names, std::chrono::milliseconds deadline)
        : strand_(std::move(strand)),
          names_(std::make_shared<const NameService>(std::move(names))),
          deadline_(deadline),
          threads_(os::BlockingThreads::Limits{}) {}

    awaitable<Result<policy::Caller>> resolve(Credentials credentials) override {
        const auto shared = std::make_shared<const Credentials>(std::move(credentials));
        std::function<Result<policy::Caller>()> call = [shared, names = names_] { return identify(*shared, *names); };
        return threads_.run<policy::Caller>(strand_, std::move(call), deadline_, kNamesSilent);
    }

    awaitable<Result<std::uint32_t>> uid_of(std::string user) override {
        std::function<Result<std::uint32_t>()> call = [user = std::move(user),
                                                       names = names_]() -> Result<std::uint32_t> {
            auto uid = names->uid_of(user);
            if (!uid) return names_failed(uid.error());
            if (!*uid || has_no_owner(**uid)) {
                return Error{ErrorCode::kNotFound, "There is no user " + user + " on this machine."};
            }
            return **uid;
        };
        return threads_.run<std::uint32_t>(strand_, std::move(call), deadline_, kNamesSilent);
    }

private:
    boost::asio::any_io_executor strand_;
    std::shared_ptr<const NameService> names_;  // shared with calls that outlive this
    std::chrono::milliseconds deadline_;
    os::BlockingThreads threads_;
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
