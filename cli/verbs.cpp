// SPDX-License-Identifier: LGPL-2.1-or-later
#include "cli/verbs.h"

#include <algorithm>
#include <cctype>
#include <string>

namespace hwvault::cli {
namespace {

std::string plain(std::string_view word) {
    std::string letters;
    for (const char c : word) {
        if (c != '-') letters += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    }
    return letters;
}

}  // namespace

std::optional<vault::Verb> verb_written(std::string_view text) {
    const auto is_meant = [wanted = plain(text)](vault::Verb verb) { return plain(vault::word(verb)) == wanted; };
    const auto* const verb = std::ranges::find_if(vault::kVerbs, is_meant);
    return verb == vault::kVerbs.end() ? std::nullopt : std::optional(*verb);
}

bool is_same_word(std::string_view one, std::string_view other) {
    return plain(one) == plain(other);
}

}  // namespace hwvault::cli
