// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Entries of the audit trail: whatever is decoded must encode to the same bytes again.
#include <algorithm>
#include <cstdlib>

#include "daemon/audit/entry.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace hwvault;
    const BytesView body{data, size};
    const auto entry = audit::decode(body);
    if (entry && !std::ranges::equal(audit::encode(*entry), body)) std::abort();
    return 0;
}
