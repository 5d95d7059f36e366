// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Spans of time as people type them: "90d", "1h", "30s". A number and one of s, m, h, d, w; "0" needs no unit.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace hwvault {

constexpr std::uint64_t kMaxDuration = 3'153'600'000;  // seconds: a hundred years; the vault's own cap is lower

// Seconds; nullopt for anything else, and for more than kMaxDuration.
std::optional<std::uint64_t> parse_duration(std::string_view text);

}  // namespace hwvault
