// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Secrets as JSON strings and back.
#include "libclient/wire/varlink.h"

#include <algorithm>
#include <string>

#include "crypto/base64.h"

namespace hwvault::wire {
namespace {

// What JSON's text of the bytes takes more than they do: `\n` one character, `\u0001` five.
std::size_t escape_cost(BytesView bytes) {
    std::size_t cost = 0;
    for (const std::uint8_t byte : bytes) {
        if (byte == '"' || byte == '\\' || (byte >= '\b' && byte <= '\r' && byte != '\v')) {
            cost += 1;
        } else if (byte < 0x20) {
            cost += 5;
        }
    }
    return cost;
}

// A string whose characters lie in locked memory even where Boost.JSON would keep a short one in the object itself,
// which may stand on a stack or in a coroutine.
boost::json::string locked_string(BytesView text) {
    constexpr std::size_t kNeverInPlace = 64;
    boost::json::string string(locked_storage());
    string.reserve(std::max(text.size(), kNeverInPlace));
    string.assign(text_of(text));
    return string;
}

// Bytes that follow the first one of a UTF-8 sequence, and the range of the first of them (RFC 3629, section 4).
struct Sequence {
    std::size_t following;
    std::uint8_t low;
    std::uint8_t high;
};

bool sequence_of(std::uint8_t first, Sequence& sequence) {
    if (first <= 0x7F) sequence = {0, 0, 0};
    else if (first >= 0xC2 && first <= 0xDF) sequence = {1, 0x80, 0xBF};
    else if (first == 0xE0) sequence = {2, 0xA0, 0xBF};
    else if (first == 0xED) sequence = {2, 0x80, 0x9F};
    else if (first >= 0xE1 && first <= 0xEF) sequence = {2, 0x80, 0xBF};
    else if (first == 0xF0) sequence = {3, 0x90, 0xBF};
    else if (first >= 0xF1 && first <= 0xF3) sequence = {3, 0x80, 0xBF};
    else if (first == 0xF4) sequence = {3, 0x80, 0x8F};
    else return false;
    return true;
}

Error too_long(std::size_t cap) {
    return {ErrorCode::kInvalidArgument, "The secret has more than the " + std::to_string(cap) + " bytes allowed."};
}

}  // namespace

bool is_utf8(BytesView bytes) {
    for (std::size_t i = 0; i < bytes.size();) {
        Sequence sequence{};
        if (!sequence_of(bytes[i], sequence) || sequence.following >= bytes.size() - i) return false;
        for (std::size_t k = 1; k <= sequence.following; ++k) {
            const std::uint8_t low = k == 1 ? sequence.low : 0x80;
            const std::uint8_t high = k == 1 ? sequence.high : 0xBF;
            if (bytes[i + k] < low || bytes[i + k] > high) return false;
        }
        i += 1 + sequence.following;
    }
    return true;
}

Encoded encode_secret(BytesView bytes) {
    // Text that base64 would make shorter is mostly control characters: escaped, 1 MiB of it would not fit.
    const bool as_text = is_utf8(bytes) && bytes.size() + escape_cost(bytes) <= crypto::base64_size(bytes.size()) + 64;
    if (as_text) return {locked_string(bytes), false};
    const SecretBytes text = crypto::encode_base64(bytes);
    return {locked_string(text.reveal()), true};
}

Result<SecretBytes> decode_secret(std::string_view text, bool base64, std::size_t cap) {
    if (!base64) {
        if (text.size() > cap) return too_long(cap);
        return SecretBytes::copy_of(bytes_of(text));
    }
    if (text.size() > crypto::base64_size(cap)) return too_long(cap);
    auto bytes = crypto::decode_base64(text);
    if (!bytes) {
        return Error{ErrorCode::kInvalidArgument,
                     "The secret is not base64; use the standard alphabet with padding and no line breaks."};
    }
    if (bytes->size() > cap) return too_long(cap);
    return std::move(*bytes);
}

}  // namespace hwvault::wire
