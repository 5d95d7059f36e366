// SPDX-License-Identifier: LGPL-2.1-or-later
#include "cli/duration.h"

#include <array>
#include <ctime>

#include "foundation/duration.h"

namespace hwvault::cli {
namespace {

std::string formatted(std::int64_t unix_seconds, const char* form) {
    if (unix_seconds == 0) return "never";
    const auto time = static_cast<std::time_t>(unix_seconds);
    std::tm parts{};
    std::array<char, 64> text{};
    if (::gmtime_r(&time, &parts) == nullptr) return std::to_string(unix_seconds);
    const std::size_t size = std::strftime(text.data(), text.size(), form, &parts);
    return {text.data(), size};
}

}  // namespace

libclient::Answer<std::chrono::seconds> duration_named(std::string_view text) {
    if (const auto seconds = parse_duration(text)) return std::chrono::seconds(*seconds);
    return libclient::Failure{HWVAULT_ERROR_INVALID_ARGUMENT,
                              "`" + std::string(text) +
                                  "` is no span of time. Write a number and a unit: 30s, 15m, 1h, 90d, 2w."};
}

std::string time_text(std::int64_t unix_seconds) {
    return formatted(unix_seconds, "%Y-%m-%d %H:%M UTC");
}

std::string day_text(std::int64_t unix_seconds) {
    return formatted(unix_seconds, "%Y-%m-%d");
}

}  // namespace hwvault::cli
