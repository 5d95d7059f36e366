// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The name service (nsswitch.conf) behind three questions, and the seam at which tests put one that hangs or fails.
//
// Every answer may take for ever: it is asked on the resolver's threads only. "There is no such user" is nullopt; a
// name service that could not say is an error, so that an outage does not look like a user without an account.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include <boost/asio/any_io_executor.hpp>

#include "foundation/result.h"

namespace hwvault::peer {

class Resolver;

struct NameService {
    std::function<Result<std::optional<std::string>>(std::uint32_t uid)> user_of;
    std::function<Result<std::optional<std::string>>(std::uint32_t gid)> group_of;
    std::function<Result<std::optional<std::uint32_t>>(const std::string& user)> uid_of;
};

// getpwuid_r(3), getgrgid_r(3), getpwnam_r(3).
NameService system_names();

constexpr std::chrono::milliseconds kResolveDeadline{2'000};

// As Resolver::create(), with another name service. The functions may be called on several threads at once.
std::unique_ptr<Resolver> make_resolver(boost::asio::any_io_executor strand, NameService names,
                                        std::chrono::milliseconds deadline);

}  // namespace hwvault::peer
