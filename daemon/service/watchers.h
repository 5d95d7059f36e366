// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Fans changes out to those who watch. Each sees only what it may describe, decided anew for each change, and has a
// bounded backlog: one that reads too slowly is dropped with kBusy instead of holding anybody up.
//
// Lives on the service's strand; not thread-safe.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <boost/asio/any_io_executor.hpp>

#include "daemon/service/service.h"
#include "daemon/vault/change.h"
#include "policy/caller.h"

namespace hwvault::service {

class Watchers {
public:
    explicit Watchers(boost::asio::any_io_executor strand) : strand_(std::move(strand)) {}

    // `account` "*" for every account.
    std::unique_ptr<Watch> add(policy::Caller caller, std::string account);
    // To those for whom `may_see` says yes.
    void publish(const vault::Notice& notice, const std::function<bool(const policy::Caller&)>& may_see);
    [[nodiscard]] std::size_t count() const;

    struct Stream;

private:
    boost::asio::any_io_executor strand_;
    std::vector<std::weak_ptr<Stream>> streams_;
};

}  // namespace hwvault::service
