// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What the contract suite asks of a backend: make a blank token, set it up, open it as often as is wanted. Which
// backend a run is for comes from HWVAULT_CONTRACT: `fake`, `softhsm`, `tpm2_pkcs11`, `tpm` or `tpm_abrmd`.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "daemon/hardware/device.h"

namespace hwvault::hardware::testing {

class Backend {
public:
    virtual ~Backend() = default;

    // A new token, without hwvault's keys, which the calls below are about from now on.
    virtual void make_blank_token() = 0;
    virtual Result<Description> initialise() = 0;
    virtual Result<std::unique_ptr<Device>> open() = 0;

    // How often a test repeats a call: a TPM takes tens of milliseconds for each.
    [[nodiscard]] virtual int rounds() const { return 25; }
};

// The backend of this run. Throws when the device behind it is not known to be simulated.
Backend& backend();

// The ways to make one; `backend()` chooses.
std::unique_ptr<Backend> make_fake_backend();
std::unique_ptr<Backend> make_pkcs11_backend(const std::string& kind);

// True for SoftHSM2 and for a TPM made by swtpm (libtpms).
bool is_simulated(std::string_view manufacturer, std::string_view model);
// Ends the program: this backend cannot run here.
[[noreturn]] void skip(const std::string& why);

// A device on a token that is set up: a new one for tests that change more than its epoch, and for the others one
// that they share, since making one takes seconds where the token is a TPM.
std::unique_ptr<Device> fresh_device();
std::unique_ptr<Device> ready_device();
// Where the device stands after a step from there; and one from wherever it stands.
Result<std::uint64_t> advance(Device& device, std::uint64_t from);
Result<std::uint64_t> advance(Device& device);
// Sees to it that the backend's token is one that is set up and that no test has spoiled.
void make_ready_token();
// A new token that is not set up.
void make_blank_token();
// To be called before the backend's token becomes another in any other way.
void forget_ready_token();

}  // namespace hwvault::hardware::testing
