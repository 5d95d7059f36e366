// SPDX-License-Identifier: LGPL-2.1-or-later
//
// One D-Bus client for all whom bench_bus compares: a connection of libsystemd's, calls one after the other.
#pragma once

#include <memory>
#include <string>

#include <systemd/sd-bus.h>

namespace hwvault::bench {

// Throws std::system_error when a call of libsystemd's gave an error.
void check_bus(const char* call, int code);

struct FreeMessage {
    void operator()(sd_bus_message* message) const { sd_bus_message_unref(message); }
};
using Message = std::unique_ptr<sd_bus_message, FreeMessage>;

class Bus {
public:
    // `address` as in DBUS_SYSTEM_BUS_ADDRESS.
    explicit Bus(const std::string& address);

    // A call to be filled with arguments.
    Message call(const std::string& service, const std::string& object, const char* interface, const char* member);
    // Sends it and waits for the answer; throws std::runtime_error with what an error says.
    Message send(const Message& call);

private:
    struct Close {
        void operator()(sd_bus* bus) const { sd_bus_flush_close_unref(bus); }
    };
    std::unique_ptr<sd_bus, Close> bus_;
};

}  // namespace hwvault::bench
