// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The one gate through which the codes of tpm2-tss and of the TPM become errors of ours. Each message names the call,
// the code (TPM 2.0 Part 2, section 6.6), the TPM, and what to try.
//
// kHardwareUnavailable is given for those codes after which opening the TPM anew may help: whoever sees it reconnects
// and tries once more.
#pragma once

#include <string>
#include <string_view>

#include <tss2/tss2_common.h>

#include "foundation/result.h"

namespace hwvault::hardware::tpm {

// A TPM's code without the number of the handle, session or parameter that it is about; what is not a TPM's code
// stays as it is.
TSS2_RC bare(TSS2_RC rc);

// Whether the TPM itself said it, and not a library or a resource manager on the way.
bool is_tpms_own(TSS2_RC rc);

// What passes by itself, so that the same call is made again after a pause.
bool is_passing(TSS2_RC rc);

// Nothing for success. `tcti` is how a person knows the TPM.
Result<void> check_rc(std::string_view call, TSS2_RC rc, std::string_view tcti);

}  // namespace hwvault::hardware::tpm
