// SPDX-License-Identifier: LGPL-2.1-or-later
#include "cli/duration.h"

#include <array>
#include <charconv>
#include <ctime>
#include <utility>

namespace hwvault::cli {
namespace {

using std::chrono::seconds;

constexpr std::array<std::pair<char, std::int64_t>, 5> kUnits{
    {{'s', 1}, {'m', 60}, {'h', 3'600}, {'d', 86'400}, {'w', 604'800}}};

libclient::Failure no_duration(std::string_view text) {
    return {HWVAULT_ERROR_INVALID_ARGUMENT,
            "`" + std::string(text) + "` is no span of time. Write a number and a unit: 30s, 15m, 1h, 90d, 2w."};
}

}  // namespace

libclient::Answer<seconds> parse_duration(std::string_view text) {
    std::int64_t number = 0;
    const char* const end = text.data() + text.size();
    const auto [rest, error] = std::from_chars(text.data(), end, number);
    if (error != std::errc{} || number < 0) return no_duration(text);
    if (rest == end && number == 0) return seconds(0);
    for (const auto& [unit, size] : kUnits) {
        if (rest + 1 != end || *rest != unit) continue;
        if (number > seconds(kMaxDuration).count() / size) return no_duration(text);
        return seconds(number * size);
    }
    return no_duration(text);
}

std::string time_text(std::int64_t unix_seconds) {
    if (unix_seconds == 0) return "never";
    const auto time = static_cast<std::time_t>(unix_seconds);
    std::tm parts{};
    std::array<char, 64> text{};
    if (::gmtime_r(&time, &parts) == nullptr) return std::to_string(unix_seconds);
    const std::size_t size = std::strftime(text.data(), text.size(), "%Y-%m-%d %H:%M UTC", &parts);
    return {text.data(), size};
}

}  // namespace hwvault::cli
