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

// What begins at `text` and ends with a NUL within as many bytes as a slot has; what comes after it there has no meaning.
template <std::size_t Size>
void copy_short(char (&target)[Size], const char* text) {
    static_assert(Size > index::kTextOfSlot);
    std::memcpy(target, text, index::kTextOfSlot);
    target[index::kTextOfSlot] = '\0';
}

// Nearly all are like this: then nothing is done that depends on how long which text is.
void write_short_texts(const index::Found& found, hwvault_verification& result) {
    const char* const text = found.text.data();
    copy_short(result.account, text);
    copy_short(result.name, text + found.account_size + 1);
    copy_short(result.scopes, text + found.scopes_at());
}

void write_texts(const index::Found& found, hwvault_verification& result) {
    copy_text(result.account, found.account());
    copy_text(result.name, found.name());
    copy_text(result.scopes, found.scope_texts());  // each with its NUL already
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
    result.active = 1;
    result.generation = found.generation;
    result.expires_at = static_cast<std::int64_t>(found.expires_at);
    static_assert(sizeof result.id > crypto::kTokenIdSize);
    std::memcpy(result.id, crypto::parts_of_token_text(token).id.data(), crypto::kTokenIdSize);
    result.id[crypto::kTokenIdSize] = '\0';
    if (found.text_size <= index::kTextOfSlot) write_short_texts(found, result);
    else write_texts(found, result);
    result.scope_count = found.scopes;
}

}  // namespace hwvault::libclient
