// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What hwvault-hardware does: it serves the device, makes its keys once, seals the way into a TPM's keys anew, and, for
// development, makes a token to have a device at all. Here PKCS#11, TPM, the PIN and the server are put together.
#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <sys/types.h>

#include "daemon/hardware/device.h"
#include "foundation/result.h"
#include "foundation/secret.h"

namespace hwvault::hardware::child {

using Log = std::function<void(std::string_view)>;

// Which device, and how to get into it.
struct Access {
    std::filesystem::path config;    // hwvault.toml
    std::filesystem::path pin_file;  // empty: [hardware] pin_credential
    std::filesystem::path state;     // made with mode 0700; refused when others can enter it
    std::shared_ptr<const SecretBytes> pin{};  // what pin_file held, if it was read before
};

// Where requests come from: the first of these that is set, else the socket that systemd handed over.
struct Door {
    int fd{-1};                       // an inherited connection
    std::filesystem::path listen;     // a socket to make
    std::optional<uid_t> accept_uid;  // the only one that is served; needed unless `fd` is set
};

struct NewToken {
    std::filesystem::path module;
    std::string label{"hwvault"};
    std::filesystem::path pin_file;     // made with a random PIN where there is none
    std::filesystem::path so_pin_file;  // the security officer's, likewise
};

// How a TPM's keys are bound from now on: to what the configuration and the PIN say.
struct Reseal {
    std::filesystem::path current_pin_file;  // the PIN until now, if it is another than the one of Access
    std::string current_pin_credential;      // or the systemd credential that it is in
    std::vector<std::string> expected;       // "7=HEX": what PCRs will have after an update
    bool no_pin{false};                      // from now on; else a PIN is not left out by mistake
    std::shared_ptr<const SecretBytes> current_pin{};  // what current_pin_file held, if it was read before
};

// Reads the PINs that files hold, for who may not read these files later.
Result<void> read_pin_files(Access& access, Reseal& reseal);

// Serves until an inherited connection ends; from a listening socket until that fails. There what is wrong with the
// configuration, the PIN's place or the state folder is told to hwvaultd, and looked at again each time the device is to be
// opened; else it is the error.
Result<void> serve(const Access& access, const Door& door, const Log& log);

// Makes the keys that are missing.
Result<Description> init(const Access& access);

// kInvalidArgument for a device that is no TPM.
Result<Description> reseal(const Access& access, const Reseal& how);

// Initialises an unused slot (SoftHSM); gives the new token's serial.
Result<std::string> create_token(const NewToken& token);

}  // namespace hwvault::hardware::child
