// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Fills a caller's hwvault_verification, from the vault's answer or from the index in this process. Only what the result has is
// written, since the struct is large. Pure; allocates nothing.
#pragma once

#include "foundation/bytes.h"
#include "libclient/include/hwvault/hwvault.h"
#include "libclient/index/view.h"
#include "libclient/values.h"

namespace hwvault::libclient {

void write_inactive(hwvault_verification& result);
void write(const Verification& verification, hwvault_verification& result);
// What was found for `token`.
void write(BytesView token, const index::Found& found, hwvault_verification& result);

}  // namespace hwvault::libclient
