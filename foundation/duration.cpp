// SPDX-License-Identifier: LGPL-2.1-or-later
#include "foundation/duration.h"

#include <array>
#include <charconv>
#include <utility>

namespace hwvault {
namespace {

constexpr std::array<std::pair<char, std::uint64_t>, 5> kUnits{
    {{'s', 1}, {'m', 60}, {'h', 3'600}, {'d', 86'400}, {'w', 604'800}}};

}  // namespace

std::optional<std::uint64_t> parse_duration(std::string_view text) {
    std::uint64_t number = 0;
    const char* const end = text.data() + text.size();
    const auto [rest, error] = std::from_chars(text.data(), end, number);
    if (error != std::errc{}) return std::nullopt;
    if (rest == end) return number == 0 ? std::optional(number) : std::nullopt;
    for (const auto& [unit, size] : kUnits) {
        if (rest + 1 != end || *rest != unit) continue;
        if (number > kMaxDuration / size) return std::nullopt;
        return number * size;
    }
    return std::nullopt;
}

}  // namespace hwvault
