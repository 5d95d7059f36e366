// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The bodies of records: whatever is decoded must encode to the same bytes again.
#include <algorithm>
#include <cstdlib>

#include "daemon/store/codec.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace hwvault;
    const BytesView body{data, size};
    const auto is_body = [&](const Bytes& encoded) { return std::ranges::equal(encoded, body); };
    const auto account = store::decode_account(body);
    if (account && !is_body(store::encode(*account))) std::abort();
    const auto token = store::decode_token(body);
    if (token && !is_body(store::encode(*token))) std::abort();
    return 0;
}
