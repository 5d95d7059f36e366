// SPDX-License-Identifier: LGPL-2.1-or-later
//
// A connection of libsystemd's to a bus: for all whom bench_bus compares one client, which makes calls one after the other.
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

inline constexpr const char* kVaultService = "org.hwvault.Vault1";
inline constexpr const char* kVaultObject = "/org/hwvault/Vault1";
inline constexpr const char* kVaultInterface = "org.hwvault.Vault1";
inline constexpr const char* kLeastService = "org.hwvault.bench.Least";  // bench_bus_least's; object and interface are the vault's

class Bus {
public:
    // `address` as in DBUS_SYSTEM_BUS_ADDRESS.
    explicit Bus(const std::string& address);

    // A call to be filled with arguments.
    Message call(const std::string& service, const std::string& object, const char* interface, const char* member);
    // Sends it and waits for the answer; throws std::runtime_error with what an error says.
    Message send(const Message& call);
    // Takes this name, for calls of these methods with `data`; and answers them, for ever.
    void offer(const char* service, const char* object, const char* interface, const sd_bus_vtable* methods, void* data);
    [[noreturn]] void serve();

private:
    struct Close {
        void operator()(sd_bus* bus) const { sd_bus_flush_close_unref(bus); }
    };
    std::unique_ptr<sd_bus, Close> bus_;
};

}  // namespace hwvault::bench
