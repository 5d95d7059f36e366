// SPDX-License-Identifier: LGPL-2.1-or-later
#include "tests/contract/backend.h"

#include <cstdlib>
#include <string_view>

namespace hwvault::hardware::testing {
namespace {

bool token_is_ready = false;

}  // namespace

Backend& backend() {
    static const std::unique_ptr<Backend> chosen = [] {
        const char* kind = std::getenv("HWVAULT_CONTRACT");
        return kind == nullptr || kind == std::string_view("fake") ? make_fake_backend() : make_pkcs11_backend(kind);
    }();
    return *chosen;
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

Result<std::uint64_t> advance(Device& device) {
    HWVAULT_TRY(const std::uint64_t now, device.epoch());
    return device.advance(now);
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
