// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What the load client says to a server and hears from it: calls that are alike, in one of two protocols. Both are asked
// for the same, and with texts of the same size.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

#include "bench/known_texts.h"

namespace hwvault::bench {

class Wire {
public:
    virtual ~Wire() = default;
    // Appends the call number `number`, made on connection number `connection`.
    virtual void append_call(std::string& out, std::size_t connection, std::size_t number) const = 0;
    // The size of the whole answer that `in` begins with; 0: it is not all there. Throws when it is not what was asked for.
    [[nodiscard]] virtual std::size_t answer_size(std::string_view in) const = 0;
};

// Verify of the text of token number `number`, which must be active.
std::unique_ptr<Wire> varlink_verify(const KnownTexts& texts);
// Revoke of the connection's own account's `default`.
std::unique_ptr<Wire> varlink_revoke();
// GET of that text as a key, whose value has kValueSize bytes; and the SET that puts it there.
std::unique_ptr<Wire> redis_get(const KnownTexts& texts);
std::unique_ptr<Wire> redis_set(const KnownTexts& texts);

// What a verifier would keep of a token in Redis: account, name, id, generation and scopes.
constexpr std::size_t kValueSize = 128;

}  // namespace hwvault::bench
