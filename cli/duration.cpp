// SPDX-License-Identifier: LGPL-2.1-or-later
#include "cli/duration.h"

#include <algorithm>
#include <array>
#include <ctime>

#include "foundation/duration.h"

namespace hwvault::cli {
namespace {

// What time_text() and second_text() write is among them.
constexpr std::array kMomentForms{"%Y-%m-%d",           "%Y-%m-%d %H:%M",         "%Y-%m-%d %H:%M:%S",
                                  "%Y-%m-%d %H:%M UTC", "%Y-%m-%d %H:%M:%S UTC", "%Y-%m-%dT%H:%M:%SZ"};

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

libclient::Answer<std::uint64_t> moment_named(std::string_view text, std::uint64_t now) {
    if (const auto back = parse_duration(text)) return now - std::min(now, *back);
    const std::string date(text);
    for (const char* const form : kMomentForms) {
        std::tm parts{};
        const char* const end = ::strptime(date.c_str(), form, &parts);
        if (end == nullptr || *end != '\0') continue;
        const int day = parts.tm_mday;
        const std::time_t moment = ::timegm(&parts);
        if (moment >= 0 && parts.tm_mday == day) return static_cast<std::uint64_t>(moment);  // no 31st of February
    }
    return libclient::Failure{HWVAULT_ERROR_INVALID_ARGUMENT,
                              "`" + date + "` is no moment. Write a date in UTC, 2026-11-26 or 2026-11-26T14:00:00Z, or how long "
                              "ago it was: 90m, 2d."};
}

std::string time_text(std::int64_t unix_seconds) {
    return formatted(unix_seconds, "%Y-%m-%d %H:%M UTC");
}

std::string second_text(std::int64_t unix_seconds) {
    return formatted(unix_seconds, "%Y-%m-%d %H:%M:%S UTC");
}

std::string day_text(std::int64_t unix_seconds) {
    return formatted(unix_seconds, "%Y-%m-%d");
}

}  // namespace hwvault::cli
