// SPDX-License-Identifier: LGPL-2.1-or-later
#include "tests/contract/tpm_backend.h"

#include <cstdlib>
#include <stdexcept>

#include "daemon/hardware/tpm/context.h"

namespace hwvault::hardware::testing {
namespace {

void require_simulated(const std::string& tcti) {
    const tpm::Maker maker = tpm::Context::connect(tcti).value()->maker(ESYS_TR_NONE).value();
    if (!is_simulated(maker.manufacturer, maker.model)) {
        throw std::runtime_error("refused: " + maker.manufacturer + " " + maker.model + " is not known to be simulated");
    }
}

}  // namespace

TpmBackend::TpmBackend(bool behind_abrmd) : behind_abrmd_(behind_abrmd) {
    ::setenv("TSS2_LOG", "all+NONE", 1);  // the tests provoke errors; what matters is said by hwvault
    const char* const tcti = std::getenv("HWVAULT_TPM_TCTI");
    if (behind_abrmd_ && tcti == nullptr) skip("tpm2-abrmd needs a TPM: run this through tests/contract/with-swtpm");
    if (behind_abrmd_) config_.tcti = tcti;
    if (std::system("command -v swtpm >/dev/null") != 0) skip("swtpm is not installed");
    std::string pattern = (std::filesystem::temp_directory_path() / "hwvault-contract-XXXXXX").string();
    if (::mkdtemp(pattern.data()) == nullptr) throw std::runtime_error("mkdtemp " + pattern);
    folder_ = pattern;
}

TpmBackend::~TpmBackend() {
    std::error_code ignored;
    std::filesystem::remove_all(folder_, ignored);
}

void TpmBackend::make_blank_token() {
    if (!behind_abrmd_) {
        swtpm_.emplace();
        config_.tcti = swtpm_->tcti();
    }
    config_.folder = folder_ / std::to_string(++folders_);
    config_.pcrs.clear();
    require_simulated(config_.tcti);
}

TpmBackend& tpm_backend() {
    return dynamic_cast<TpmBackend&>(backend());
}

}  // namespace hwvault::hardware::testing
