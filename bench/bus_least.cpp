// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The least that a Retrieve over D-Bus can come to: one thread that answers Retrieve() on a bus as the vault does, with a string in
// a sealed memfd and the six keys, after one C_Sign of SoftHSM2. It has no second process, no policy, no trail and no vault.
//
//     bench_bus_least BUS DIR MODULE    DIR is a vault's of --dev that nobody serves, MODULE its PKCS#11 module
//
// Says `ready` on standard output when it does. Until it is ended from outside.
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <filesystem>
#include <string>

#include "bench/bus.h"
#include "bench/raw_module.h"
#include "os/file.h"
#include "os/memfd.h"

namespace {

using namespace hwvault;
using namespace hwvault::bench;

constexpr std::size_t kMaxPinSize = 255;
const Bytes kInput(120, 1);           // what an issued token's derivation takes, more or less
const std::string kString(63, 'h');  // as long as a token

int answer(sd_bus_message* call, void* module, sd_bus_error*) {
    static_cast<const RawModule*>(module)->sign(kInput);
    const os::Fd memfd = os::sealed_memfd(bytes_of(kString)).value();
    sd_bus_message* reply = nullptr;
    check_bus("sd_bus_message_new_method_return", sd_bus_message_new_method_return(call, &reply));
    const Message owned(reply);
    check_bus("sd_bus_message_append", sd_bus_message_append(reply, "h", memfd.get()));
    check_bus("sd_bus_message_append",
              sd_bus_message_append(reply, "a{sv}", 6, "account", "s", "app:busy-1", "name", "s", "default", "id", "s", "0123456789",
                                    "generation", "t", 1ULL, "expires_at", "t", 1ULL, "scopes", "as", 1, "read"));
    return sd_bus_send(nullptr, reply, nullptr);
}

constexpr sd_bus_vtable kMethods[] = {
    SD_BUS_VTABLE_START(0),
    SD_BUS_METHOD("Retrieve", "ss", "ha{sv}", answer, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_VTABLE_END,
};

[[noreturn]] void serve(const char* address, const std::filesystem::path& folder, const char* module_file) {
    ::setenv("SOFTHSM2_CONF", (folder / "softhsm2.conf").c_str(), 1);
    RawModule module(module_file, os::read_secret_file(folder / "hardware/pin", kMaxPinSize).value());
    Bus bus(address);
    bus.offer(kLeastService, kVaultObject, kVaultInterface, kMethods, &module);
    std::puts("ready");
    std::fflush(stdout);
    bus.serve();
}

}  // namespace

int main(int argc, char** argv) {
    if (argc != 4) {
        std::fprintf(stderr, "usage: bench_bus_least BUS DIR MODULE\n");
        return 2;
    }
    try {
        serve(argv[1], argv[2], argv[3]);
    } catch (const std::exception& failure) {
        std::fprintf(stderr, "bench_bus_least: %s\n", failure.what());
        return 1;
    }
}
