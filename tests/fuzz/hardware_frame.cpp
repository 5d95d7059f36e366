// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Feeds whatever comes to the codec of the private socket. What decodes must encode to the same bytes again, so
// that no two frames mean the same thing.
#include <algorithm>
#include <cstdlib>

#include "daemon/hardware/protocol.h"

namespace {

using namespace hwvault;
using namespace hwvault::hardware;

template <class Encoded>
void must_equal(BytesView frame, const Encoded& encoded) {
    const BytesView again = BytesView(encoded).subspan(kFrameHeaderSize);
    if (!std::equal(frame.begin(), frame.end(), again.begin(), again.end())) std::abort();
}

void feed_stream(BytesView stream) {
    FrameReader reader;
    while (!stream.empty() && !reader.broken()) {
        const auto space = reader.space();
        const std::size_t size = std::min(space.size(), stream.size());
        std::copy_n(stream.begin(), size, space.begin());
        reader.filled(size);
        stream = stream.subspan(size);
        while (const auto frame = reader.next()) static_cast<void>(decode_request(*frame));
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const BytesView input{data, size};
    feed_stream(input);
    if (size > kMaxFrameSize) return 0;
    if (const auto request = decode_request(input)) must_equal(input, encode(*request));
    if (const auto answer = decode_answer(input)) must_equal(input, encode(*answer));
    if (const auto description = decode_description(input)) {
        if (!decode_description(encode_description(*description).reveal())) std::abort();
    }
    static_cast<void>(decode_number(input));
    return 0;
}
