// SPDX-License-Identifier: LGPL-2.1-or-later
#include "foundation/short_words.h"

#include <algorithm>

namespace hwvault {
namespace {

constexpr std::size_t kSaidOfLongWord = 12;

bool is_of_a_word(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

}  // namespace

std::string with_short_words(std::string_view text) {
    std::string said;
    while (!text.empty()) {
        const auto* const end = std::ranges::find_if_not(text, is_of_a_word);
        const auto size = static_cast<std::size_t>(end - text.begin());
        if (size <= kMaxSaidWord) said += text.substr(0, size);
        else said += std::string(text.substr(0, kSaidOfLongWord)) + "...";
        text.remove_prefix(size);
        if (text.empty()) break;
        said += text.front();
        text.remove_prefix(1);
    }
    return said;
}

}  // namespace hwvault
