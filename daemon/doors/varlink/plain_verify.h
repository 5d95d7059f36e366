// SPDX-License-Identifier: LGPL-2.1-or-later
//
// A call of Verify in the form in which nearly every client sends it, and the answer to it, without a tree between.
//
// Strict: what is not exactly such a text is read_call()'s to judge, and what is means the same there; tests and
// tests/fuzz/varlink_message.cpp hold the two against each other. Pure; allocates nothing.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "daemon/service/service.h"
#include "foundation/bytes.h"

namespace hwvault::doors::varlink {

struct PlainVerify {
    BytesView token;   // within the message
    std::size_t size;  // of the message, its NUL included
};
// With which `bytes` begin; nullopt when that is another call, the same in another form, or not whole.
std::optional<PlainVerify> plain_verify_at(BytesView bytes);

// No answer is larger: 32 scopes of 64 bytes, and an account of 260 that are all escaped.
constexpr std::size_t kMaxVerification = 4 << 10;
// Writes the reply, as message_of() does and with its NUL, to the beginning of `space`, which has kMaxVerification bytes.
// How many it has.
std::size_t write_verification(std::span<std::uint8_t> space, const service::Verification& verification);

}  // namespace hwvault::doors::varlink
