// SPDX-License-Identifier: LGPL-2.1-or-later
//
// A TPM through ESAPI: a bare swtpm of the test's own (`tpm`), or tpm2-abrmd on the swtpm that with-swtpm has started
// (`tpm_abrmd`). Refuses every TPM whose maker and model are not those of the simulator.
#pragma once

#include <filesystem>
#include <optional>

#include "daemon/hardware/tpm/tpm.h"
#include "tests/contract/backend.h"
#include "tests/contract/swtpm.h"

namespace hwvault::hardware::testing {

class TpmBackend final : public Backend {
public:
    explicit TpmBackend(bool behind_abrmd);
    ~TpmBackend() override;

    void make_blank_token() override;
    Result<Description> initialise() override { return tpm::initialise(config_, SecretBytes()); }
    Result<std::unique_ptr<Device>> open() override { return tpm::open(config_, SecretBytes()); }
    [[nodiscard]] int rounds() const override { return 4; }

    // What the next calls are about; a test may change it.
    [[nodiscard]] tpm::Config& config() { return config_; }
    // The TPM itself; none of ours behind tpm2-abrmd.
    [[nodiscard]] Swtpm& swtpm() { return *swtpm_; }
    [[nodiscard]] bool has_own_tpm() const { return !behind_abrmd_; }

private:
    bool behind_abrmd_;
    std::filesystem::path folder_;  // removed at the end
    int folders_{0};
    std::optional<Swtpm> swtpm_;
    tpm::Config config_;
};

// This run's backend; throws when that is another, for which tests tagged [tpm] are not meant.
TpmBackend& tpm_backend();
inline tpm::Config& tpm_config() {
    return tpm_backend().config();
}

}  // namespace hwvault::hardware::testing
