// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Feeds whatever comes to the codec of the private socket, and to the hardware child's end of it. What decodes must
// encode to the same bytes again, so that no two frames mean the same thing; and what the child logs of a peer that it hangs
// up on holds no token of what the peer sent.
#include <algorithm>
#include <chrono>
#include <cstdlib>

#include <sys/socket.h>

#include "daemon/hardware/child/peer_socket.h"
#include "daemon/hardware/protocol.h"
#include "tests/fuzz/canary.h"

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

void feed_child(BytesView stream) {
    int ends[2];
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) std::abort();
    const os::Fd theirs(ends[0]);
    const auto peer = child::PeerSocket::open(os::Fd(ends[1]), std::chrono::milliseconds(0)).value();
    // As much as the socket holds: nobody reads yet.
    static_cast<void>(::send(theirs.get(), stream.data(), stream.size(), MSG_DONTWAIT | MSG_NOSIGNAL));
    ::shutdown(theirs.get(), SHUT_WR);
    for (;;) {
        const auto request = peer->next();
        if (request) continue;
        fuzz::require_silent(request.error().message);
        return;
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const BytesView input{data, size};
    feed_stream(input);
    feed_child(bytes_of(fuzz::with_canary(text_of(input))));
    if (size > kMaxFrameSize) return 0;
    if (const auto request = decode_request(input)) must_equal(input, encode(*request));
    if (const auto answer = decode_answer(input)) must_equal(input, encode(*answer));
    if (const auto description = decode_description(input)) {
        if (!decode_description(encode_description(*description).reveal())) std::abort();
    }
    static_cast<void>(decode_number(input));
    if (const auto reading = decode_reading(input)) {
        if (!equal_in_constant_time(encode_reading(*reading).reveal(), input)) std::abort();
    }
    return 0;
}
