// SPDX-License-Identifier: LGPL-2.1-or-later
//
// A resolver for the doors' tests: everybody is called root, and may be told to be in a unit, or to be busy.
#pragma once

#include <atomic>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>

#include "daemon/peer/peer.h"

namespace hwvault::tests {

class FakeResolver final : public peer::Resolver {
public:
    boost::asio::awaitable<Result<peer::Identity>> resolve(peer::Credentials credentials) override {
        ++resolved;
        if (busy_answers > 0) {
            --busy_answers;
            co_return Error{ErrorCode::kBusy, "The name service does not answer. Try again."};
        }
        peer::Identity identity;
        identity.caller.uid = credentials.uid;
        identity.caller.user = "root";
        identity.caller.groups = {"root"};
        identity.caller.unit = unit;
        identity.caller.invocation = unit ? "0123456789abcdef0123456789abcdef" : "";
        if (unit) identity.pidfd = std::move(credentials.pidfd);
        co_return identity;
    }
    boost::asio::awaitable<Result<policy::Caller>> confirm(peer::Identity identity) override {
        co_return std::move(identity.caller);
    }
    boost::asio::awaitable<Result<std::uint32_t>> uid_of(std::uint32_t, std::string) override {
        co_return std::uint32_t{0};
    }

    std::optional<std::string> unit;  // that everybody is in; set before the first call
    std::atomic<int> resolved{0};
    std::atomic<int> busy_answers{0};  // that are still to be given
};

}  // namespace hwvault::tests
