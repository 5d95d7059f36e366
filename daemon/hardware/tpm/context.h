// SPDX-License-Identifier: LGPL-2.1-or-later
//
// One connection to a TPM: the way to it (TCTI) and ESAPI's state over that. All of ESAPI's calls are made through
// call(), which waits out what passes by itself and puts the rest into words. Not thread-safe.
#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/hardware/tpm/handles.h"
#include "daemon/hardware/tpm/rc.h"
#include "foundation/result.h"

namespace hwvault::hardware::tpm {

// What a person is told of the chip (TPM 2.0 Part 2, section 6.13).
struct Maker {
    std::string manufacturer;  // "IBM", "IFX", "STM", ...
    std::string model;         // the vendor's string, "SW   TPM"
};

class Context {
public:
    // Connects, starts the TPM if nobody has, and flushes what an earlier process left in it: without a resource
    // manager objects and sessions outlive the process that made them. Behind one it sees its own alone, and flushes
    // none.
    static Result<std::unique_ptr<Context>> connect(const std::string& tcti);

    // Makes an ESAPI call, `make(ESYS_CONTEXT*)` -> TSS2_RC; again while the TPM asks for that, kPatience at most.
    template <class Make>
    Result<void> call(std::string_view name, const Make& make) {
        const auto deadline = std::chrono::steady_clock::now() + kPatience;
        TSS2_RC rc = make(esys_.get());
        while (is_passing(rc) && pause_before(deadline)) rc = make(esys_.get());
        return check_rc(name, rc, tcti_name_);
    }
    // Once, whatever the TPM says: for who has a pause of its own, and must not keep others waiting.
    template <class Make>
    Result<void> call_once(std::string_view name, const Make& make) {
        return check_rc(name, make(esys_.get()), tcti_name_);
    }
    [[nodiscard]] ESYS_CONTEXT* esys() const { return esys_.get(); }
    [[nodiscard]] const std::string& tcti() const { return tcti_name_; }

    // In a session the answer is authentic; ESYS_TR_NONE where there is none yet.
    Result<Maker> maker(ESYS_TR session);
    // Wrong authorization values that the TPM counts towards its lockout (Part 1, 19.8); it forgets them one by one.
    Result<std::uint32_t> failed_tries(ESYS_TR session);
    // The handles that the TPM has, from `first` on, `most` of them.
    Result<std::vector<TPM2_HANDLE>> handles(TPM2_HANDLE first, UINT32 most, ESYS_TR session);

private:
    // Less than hwvaultd waits for an answer before it takes the child for hung.
    static constexpr auto kPatience = std::chrono::seconds(3);
    static bool pause_before(std::chrono::steady_clock::time_point deadline);

    Context(std::string tcti_name, Tcti tcti, Esys esys);
    Result<void> start_up();
    Result<void> flush_leftovers(TPM2_HANDLE first);
    Result<std::vector<TPMS_TAGGED_PROPERTY>> properties(UINT32 first, UINT32 most, ESYS_TR session);

    std::string tcti_name_;
    Tcti tcti_;
    Esys esys_;
};

}  // namespace hwvault::hardware::tpm
