// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Varlink on the wire (UAPI.20), as daemon and library share it: one JSON object a message, ended by a NUL byte.
//
// Messages may hold a token or a secret, so both text and tree live in locked memory, which is wiped when they go.
// A message is at most kMaxMessageSize bytes and kMaxMessageValues values. Nothing here throws but std::bad_alloc.
// All functions are thread-safe; docs/formats/varlink.md has the details.
#pragma once

#include <cstdint>
#include <string_view>

#include <boost/json/object.hpp>
#include <boost/json/storage_ptr.hpp>
#include <boost/json/string.hpp>

#include "foundation/result.h"
#include "foundation/secret.h"

namespace hwvault::wire {

constexpr std::size_t kMaxMessageSize = 2 << 20;  // bytes, the NUL not counted (contract, "Varlink")
constexpr std::size_t kMaxDepth = 16;             // objects and arrays in one another; the interface needs 4
// A page of 1,000 tokens with 32 scopes each stays below; a text of 2 MiB made of `[]` would otherwise become
// a tree of many times its size.
constexpr std::size_t kMaxMessageValues = 65'536;
constexpr std::string_view kInterface = "org.hwvault.Vault";
constexpr std::string_view kSystemAddress = "/run/hwvault/org.hwvault.Vault";

// Memory for JSON that may hold a secret: from locked_memory(), wiped block by block.
boost::json::storage_ptr locked_storage();

// The tree of one message. kInvalidArgument with the place of the error when `text` is no JSON object, nests
// deeper than kMaxDepth, has more than `max_values` values, or a key twice in one object. Numbers are not judged
// here: who reads one wants an integer of at most 2^63-1, and is given the kind that it has.
Result<boost::json::object> parse(BytesView text, std::size_t max_values = kMaxMessageValues);

// The message with its final NUL.
SecretBytes serialize(const boost::json::object& message);

// Bytes as a JSON string; `base64` tells when they are not UTF-8, or mostly characters that JSON must escape, and
// the text is their base64 (RFC 4648). The string never lies within the object but in locked memory.
struct Encoded {
    boost::json::string text;
    bool base64{false};
};
Encoded encode_secret(BytesView bytes);

// kInvalidArgument when the text is not base64 although it says so, or stands for more than `cap` bytes.
Result<SecretBytes> decode_secret(std::string_view text, bool base64, std::size_t cap);

// Well-formed UTF-8 (RFC 3629): no overlong form, no surrogate, nothing beyond U+10FFFF.
bool is_utf8(BytesView bytes);

}  // namespace hwvault::wire
