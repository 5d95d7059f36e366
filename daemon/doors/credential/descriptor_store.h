// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Where a connection lives on when hwvaultd dies: systemd's file descriptor store (FDSTORE=1 in sd_notify(3)).
//
// systemd takes whatever it read when a connection ends for the whole credential, also nothing at all (systemd #27373),
// and the kernel ends the connections of a process that dies. One that is kept here stays open, is handed to the next
// hwvaultd, and is refused by it. A connection whose peer is gone leaves systemd's store by itself, since systemd polls it.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "os/fd.h"

namespace hwvault::doors::credential {

class DescriptorStore {
public:
    virtual ~DescriptorStore() = default;
    // A copy of the connection, under a name of its own.
    virtual void keep(const std::string& name, int connection) = 0;
    // Lets go of the copy.
    virtual void release(const std::string& name) = 0;
};

// A connection that an hwvaultd before this one did not come to the end of, as systemd hands it back (LISTEN_FDNAMES).
struct Left {
    std::string name;
    os::Fd connection;
};

// `credential-in-flight-N`: what a kept connection is called.
std::string in_flight_name(std::uint64_t number);
bool is_in_flight_name(std::string_view name);

// systemd's. Without $NOTIFY_SOCKET, as in development, nothing is kept, and a daemon that is killed leaves empty answers.
std::unique_ptr<DescriptorStore> systemd_descriptor_store();

}  // namespace hwvault::doors::credential
