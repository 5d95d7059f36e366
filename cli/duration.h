// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Time on the command line: spans as people type them (foundation/duration.h), and moments as they read them.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

#include "libclient/failure.h"

namespace hwvault::cli {

// InvalidArgument for what is none.
libclient::Answer<std::chrono::seconds> duration_named(std::string_view text);

// A moment as people type it: a date in UTC, "2026-11-26", "2026-11-26 14:00" or "2026-11-26 14:00:00", with " UTC" behind or
// as "2026-11-26T14:00:00Z", or how long before `now` it was, "2d". Unix seconds; InvalidArgument for what is none.
libclient::Answer<std::uint64_t> moment_named(std::string_view text, std::uint64_t now);

// Unix seconds as "2026-01-31 08:05 UTC"; "never" for 0.
std::string time_text(std::int64_t unix_seconds);
// To the second, "2026-01-31 08:05:59 UTC".
std::string second_text(std::int64_t unix_seconds);
// The day alone, for a narrow column: "2026-01-31".
std::string day_text(std::int64_t unix_seconds);

}  // namespace hwvault::cli
