// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The way to the vault that a command uses: the Unix socket through libhwvault (socket_door.cpp) or the system bus
// (bus_client.cpp). The verbs are the contract's. Calls block; not thread-safe.
#pragma once

#include <algorithm>
#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "foundation/bytes.h"
#include "libclient/failure.h"
#include "libclient/values.h"

namespace hwvault::cli {

using libclient::Answer;
using libclient::Event;
using libclient::Failure;
using libclient::Info;
using libclient::Options;
using libclient::Report;
using libclient::Retrieved;
using libclient::Target;
using libclient::Verification;

// What a report says of `key`; "" where it says nothing.
inline std::string value_of(const Report& report, std::string_view key) {
    const auto line = std::ranges::find(report, key, &Report::value_type::first);
    return line == report.end() ? std::string() : line->second;
}

class Door {
public:
    virtual ~Door() = default;

    virtual Answer<Retrieved> retrieve(const Target& target) = 0;
    virtual Answer<Info> revoke(const Target& target) = 0;
    virtual Answer<void> revoke_token(BytesView token) = 0;
    virtual Answer<Info> rotate(const Target& target, std::chrono::seconds overlap) = 0;
    virtual Answer<Verification> verify(BytesView token) = 0;
    virtual Answer<Info> create(const Target& target, const Options& options) = 0;
    virtual Answer<Info> import(const Target& target, BytesView secret, const Options& options) = 0;
    virtual Answer<void> erase(const Target& target) = 0;
    virtual Answer<std::vector<Info>> list(const std::string& account) = 0;
    virtual Answer<Info> describe(const Target& target) = 0;
    virtual Answer<Report> status() = 0;
    // Shows what is there and then what changes, without end; so it always returns a Failure.
    virtual Answer<void> watch(const std::string& account, const std::function<void(const Event&)>& show) = 0;
};

// `address` "": where libhwvault looks.
Answer<std::unique_ptr<Door>> open_socket_door(const std::string& address, std::chrono::milliseconds timeout);
// The system bus, or the one that $DBUS_SYSTEM_BUS_ADDRESS names.
Answer<std::unique_ptr<Door>> open_bus_door(std::chrono::milliseconds timeout);

}  // namespace hwvault::cli
