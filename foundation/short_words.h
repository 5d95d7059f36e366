// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What is said of a word that stands where it does not belong: enough to tell which one is meant, and no more. It may be
// a token that somebody pasted into a file or a message, and what is said of it ends in a log.
#pragma once

#include <string>
#include <string_view>

namespace hwvault {

// Longer than every word of ours, and half as long as a token.
constexpr std::size_t kMaxSaidWord = 32;

// `text` with each word (ASCII letters, digits and `_`) of more than kMaxSaidWord cut to its beginning and "...".
std::string with_short_words(std::string_view text);

}  // namespace hwvault
