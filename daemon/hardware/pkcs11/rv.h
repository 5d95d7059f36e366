// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The one gate through which PKCS#11's return codes become errors of ours. Each message names the call, the CKR
// by its name (PKCS#11 2.40, section 11.1), the token, and what to try.
//
// kHardwareUnavailable is given for exactly those codes after which opening the token anew may help: the caller
// that sees it reconnects and tries once more.
#pragma once

#include <string>
#include <string_view>

#include "daemon/hardware/pkcs11/handles.h"
#include "foundation/result.h"

namespace hwvault::hardware::pkcs11 {

// "CKR_PIN_INCORRECT", or "CKR 0x80000001" for a vendor's own.
std::string name_of(CK_RV rv);

// Nothing for CKR_OK. `token` is how a person knows it: `"vault" (serial 1234)`.
Result<void> check_rv(std::string_view call, CK_RV rv, std::string_view token);

// The same for a call of libp11's that failed: it leaves the CKR in OpenSSL's error queue, which this empties.
Error libp11_error(std::string_view call, std::string_view token);

}  // namespace hwvault::hardware::pkcs11
