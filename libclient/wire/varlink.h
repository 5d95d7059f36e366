// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Varlink on the wire (UAPI.20), as daemon and library share it: one JSON object a message, ended by a NUL byte.
//
// Messages may hold a token or a secret, so both text and tree live in locked memory (`Message`), which is wiped
// when they go. A message is at most kMaxMessageSize bytes; numbers beyond 2^63-1 are refused.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include <boost/json/object.hpp>
#include <boost/json/storage_ptr.hpp>

#include "foundation/result.h"
#include "foundation/secret.h"

namespace hwvault::wire {

constexpr std::size_t kMaxMessageSize = 2 << 20;  // bytes, the NUL not counted (contract, "Varlink")
constexpr std::string_view kInterface = "org.hwvault.Vault";
constexpr std::string_view kSystemAddress = "/run/hwvault/org.hwvault.Vault";

// Memory for JSON that may hold a secret: from locked_memory(), wiped block by block.
boost::json::storage_ptr locked_storage();

// kInvalidArgument with the place of the error when `text` is no JSON object, nests deeper than 16, or has a
// duplicate key.
Result<boost::json::object> parse(BytesView text);
// The message with its final NUL.
SecretBytes serialize(const boost::json::object& message);

// Bytes as a JSON string, base64 (RFC 4648) where they are not UTF-8; `base64` tells.
struct Encoded {
    boost::json::string text;
    bool base64{false};
};
Encoded encode_secret(BytesView bytes);
// kInvalidArgument when the text is not base64 although it says so, or has more than `cap` bytes.
Result<SecretBytes> decode_secret(std::string_view text, bool base64, std::size_t cap);

}  // namespace hwvault::wire
