// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Simulated PKCS#11 tokens: SoftHSM2 with a folder of its own, and tpm2-pkcs11 on the swtpm that with-swtpm has
// started. Refuses every token whose maker and model are not those of a simulator.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

#include "daemon/hardware/pkcs11/pkcs11.h"
#include "tests/contract/backend.h"

namespace hwvault::hardware::testing {

class Pkcs11Backend : public Backend {
public:
    Result<Description> initialise() override { return pkcs11::initialise(config_, pin()); }
    Result<std::unique_ptr<Device>> open() override { return pkcs11::open(config_, pin()); }

    [[nodiscard]] const pkcs11::Config& config() const { return config_; }
    [[nodiscard]] SecretBytes pin() const { return SecretBytes::copy_of(bytes_of("contract-pin-1")); }
    // Where the backend keeps its tokens.
    [[nodiscard]] const std::filesystem::path& folder() const { return folder_; }
    // A token without even a root key, where `init` cannot make one; false where it can.
    virtual bool make_token_without_root() = 0;
    // Whether a wrong PIN sets CKF_USER_PIN_COUNT_LOW.
    [[nodiscard]] virtual bool counts_wrong_pins() const = 0;
    // Whether the module makes secret keys, and takes them from outside.
    [[nodiscard]] virtual bool makes_secret_keys() const = 0;

protected:
    explicit Pkcs11Backend(std::filesystem::path module);
    ~Pkcs11Backend() override;
    // Throws unless the token of config() is simulated.
    void require_simulated() const;

    std::filesystem::path folder_;  // removed at the end
    pkcs11::Config config_;
};

// This run's backend; throws when that is the fake, for which tests tagged [pkcs11] are not meant.
Pkcs11Backend& pkcs11_backend();

}  // namespace hwvault::hardware::testing
