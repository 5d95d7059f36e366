// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Numbers as people and reports write them: decimal digits and nothing else, up to 2^64 - 1.
#pragma once

#include <charconv>
#include <cstdint>
#include <optional>
#include <string_view>
#include <system_error>

namespace hwvault::cli {

// nullopt for what is none.
inline std::optional<std::uint64_t> number_written(std::string_view text) {
    std::uint64_t number = 0;
    const char* const end = text.data() + text.size();
    const auto read = std::from_chars(text.data(), end, number);
    return read.ec == std::errc() && read.ptr == end ? std::optional(number) : std::nullopt;
}

}  // namespace hwvault::cli
