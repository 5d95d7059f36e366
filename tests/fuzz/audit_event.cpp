// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Audit events: whatever is decoded must encode to the same bytes again.
#include <algorithm>
#include <cstdlib>

#include "daemon/audit/trail.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace hwvault;
    const BytesView body{data, size};
    const auto event = audit::decode(body);
    if (event && !std::ranges::equal(audit::encode(*event), body)) std::abort();
    return 0;
}
