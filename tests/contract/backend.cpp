// SPDX-License-Identifier: LGPL-2.1-or-later
#include "tests/contract/backend.h"

#include <cstdio>
#include <cstdlib>
#include <string_view>

#include "tests/contract/tpm_backend.h"

namespace hwvault::hardware::testing {
namespace {

constexpr int kSkipped = 77;

bool token_is_ready = false;

}  // namespace

Backend& backend() {
    static const std::unique_ptr<Backend> chosen = [] {
        const char* kind = std::getenv("HWVAULT_CONTRACT");
        const std::string_view name = kind == nullptr ? "fake" : kind;
        if (name == "fake") return make_fake_backend();
        if (name == "tpm") return std::unique_ptr<Backend>(new TpmBackend(false));
        if (name == "tpm_abrmd") return std::unique_ptr<Backend>(new TpmBackend(true));
        return make_pkcs11_backend(kind);
    }();
    return *chosen;
}

bool is_simulated(std::string_view manufacturer, std::string_view model) {
    // swtpm's TPM says that IBM made it, as libtpms does; TPMs of silicon have other models.
    return (manufacturer == "SoftHSM project" && model == "SoftHSM v2") ||
           (manufacturer == "IBM" && model == "SW   TPM");
}

void skip(const std::string& why) {
    std::printf("skipped: %s\n", why.c_str());
    std::exit(kSkipped);
}

void forget_ready_token() {
    token_is_ready = false;
}

void make_blank_token() {
    forget_ready_token();
    backend().make_blank_token();
}

void make_ready_token() {
    if (token_is_ready) return;
    make_blank_token();
    backend().initialise().value();
    token_is_ready = true;
}

Result<std::uint64_t> advance(Device& device, std::uint64_t from) {
    HWVAULT_TRY(const CounterReading reading, device.advance(from));
    return reading.number;
}

Result<std::uint64_t> advance(Device& device) {
    HWVAULT_TRY(const std::uint64_t now, device.epoch());
    return advance(device, now);
}

std::unique_ptr<Device> ready_device() {
    make_ready_token();
    return backend().open().value();
}

std::unique_ptr<Device> fresh_device() {
    forget_ready_token();
    auto device = ready_device();
    forget_ready_token();
    return device;
}

}  // namespace hwvault::hardware::testing
