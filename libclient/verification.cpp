// SPDX-License-Identifier: LGPL-2.1-or-later
#include "libclient/verification.h"

#include <algorithm>
#include <cstring>
#include <span>
#include <string_view>

#include "crypto/token_text.h"

namespace hwvault::libclient {
namespace {

template <std::size_t Size>
void copy_text(char (&target)[Size], std::string_view text) {
    const std::size_t length = std::min(text.size(), Size - 1);  // what is longer was refused, or never made
    std::memcpy(target, text.data(), length);
    target[length] = '\0';
}

}  // namespace

void write_inactive(hwvault_verification& result) {
    result.active = 0;
    result.scope_count = 0;
    result.generation = 0;
    result.expires_at = 0;
    result.id[0] = result.name[0] = result.account[0] = result.scopes[0] = '\0';
}

void write(const Verification& verification, hwvault_verification& result) {
    result.active = verification.active ? 1 : 0;
    result.generation = verification.info.generation;
    result.expires_at = verification.info.expires_at;
    copy_text(result.id, verification.info.id);
    copy_text(result.name, verification.info.name);
    copy_text(result.account, verification.info.account);
    result.scope_count = 0;
    std::span<char> room(result.scopes);
    for (const std::string& scope : verification.info.scopes) {
        if (scope.size() >= room.size()) break;
        std::memcpy(room.data(), scope.c_str(), scope.size() + 1);
        room = room.subspan(scope.size() + 1);
        ++result.scope_count;
    }
}

void write(BytesView token, const index::Found& found, hwvault_verification& result) {
    const std::string_view account = found.account();
    const std::string_view name = found.name();
    const std::string_view scopes = found.scope_texts();
    result.active = 1;
    result.generation = found.generation;
    result.expires_at = static_cast<std::int64_t>(found.expires_at);
    copy_text(result.id, crypto::id_in_token_text(token));
    copy_text(result.name, name);
    copy_text(result.account, account);
    copy_text(result.scopes, scopes);  // each with its NUL already
    result.scope_count = found.scopes;
}

}  // namespace hwvault::libclient
