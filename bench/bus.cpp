// SPDX-License-Identifier: LGPL-2.1-or-later
#include "bench/bus.h"

#include <cstdint>
#include <stdexcept>
#include <system_error>

namespace hwvault::bench {
namespace {

constexpr std::uint64_t kDeadline = 60'000'000;  // microseconds

class Failure {
public:
    ~Failure() { sd_bus_error_free(&error); }
    sd_bus_error error{};
};

}  // namespace

void check_bus(const char* call, int code) {
    if (code < 0) throw std::system_error(-code, std::generic_category(), call);
}

Bus::Bus(const std::string& address) {
    sd_bus* bus = nullptr;
    check_bus("sd_bus_new", sd_bus_new(&bus));
    bus_.reset(bus);
    check_bus("sd_bus_set_address", sd_bus_set_address(bus, address.c_str()));
    check_bus("sd_bus_set_bus_client", sd_bus_set_bus_client(bus, 1));
    check_bus("sd_bus_negotiate_fds", sd_bus_negotiate_fds(bus, 1));
    check_bus("sd_bus_start", sd_bus_start(bus));
}

Message Bus::call(const std::string& service, const std::string& object, const char* interface, const char* member) {
    sd_bus_message* message = nullptr;
    check_bus("sd_bus_message_new_method_call", sd_bus_message_new_method_call(bus_.get(), &message, service.c_str(),
                                                                               object.c_str(), interface, member));
    return Message(message);
}

Message Bus::send(const Message& call) {
    Failure failure;
    sd_bus_message* answer = nullptr;
    if (sd_bus_call(bus_.get(), call.get(), kDeadline, &failure.error, &answer) < 0) {
        throw std::runtime_error(std::string(sd_bus_message_get_member(call.get())) + ": " +
                                 (failure.error.message != nullptr ? failure.error.message : failure.error.name));
    }
    return Message(answer);
}

void Bus::offer(const char* service, const char* object, const char* interface, const sd_bus_vtable* methods, void* data) {
    check_bus("sd_bus_add_object_vtable", sd_bus_add_object_vtable(bus_.get(), nullptr, object, interface, methods, data));
    check_bus("sd_bus_request_name", sd_bus_request_name(bus_.get(), service, 0));
}

void Bus::serve() {
    for (;;) {
        const int done = sd_bus_process(bus_.get(), nullptr);
        check_bus("sd_bus_process", done);
        if (done == 0) check_bus("sd_bus_wait", sd_bus_wait(bus_.get(), UINT64_MAX));
    }
}

}  // namespace hwvault::bench
