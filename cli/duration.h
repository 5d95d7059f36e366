// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Spans of time as people type them: "90d", "1h", "30s". A number and one of s, m, h, d, w; "0" needs no unit.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

#include "libclient/failure.h"

namespace hwvault::cli {

// InvalidArgument for anything else, and for more than kMaxDuration.
libclient::Answer<std::chrono::seconds> parse_duration(std::string_view text);
constexpr std::chrono::hours kMaxDuration{24 * 365 * 100};  // a hundred years; the vault's own cap is lower

// Unix seconds as "2026-01-31 08:05 UTC"; "never" for 0.
std::string time_text(std::int64_t unix_seconds);

}  // namespace hwvault::cli
