// SPDX-License-Identifier: LGPL-2.1-or-later
//
// This run's PKCS#11 token with the faulty module between it and hwvault.
#pragma once

#include <memory>

#include "tests/contract/faulty_module.h"
#include "tests/contract/pkcs11_backend.h"

namespace hwvault::hardware::testing {

struct Faulty {
    pkcs11::Config config;
    SecretBytes pin;
    Faults& faults;

    [[nodiscard]] Result<std::unique_ptr<Device>> open() const { return pkcs11::open(config, pin); }
    [[nodiscard]] Result<Description> initialise() const { return pkcs11::initialise(config, pin); }
};

// The backend's token as it is, with every knob where it does nothing.
Faulty present_token();
// One that is set up, and one that no other test has.
Faulty faulty();
Faulty faulty_fresh();

}  // namespace hwvault::hardware::testing
