// SPDX-License-Identifier: LGPL-2.1-or-later
#include "cli/duration.h"

#include <cstdlib>
#include <ctime>

#include "tests/catch.h"

namespace hwvault::cli {
namespace {

std::int64_t seconds_of(std::string_view text) {
    const auto span = duration_named(text);
    return span ? span->count() : -1;
}

// The zone that local time is in, while this lives.
class LocalTime {
public:
    explicit LocalTime(const char* zone) {
        ::setenv("TZ", zone, 1);
        ::tzset();
    }
    LocalTime(const LocalTime&) = delete;
    LocalTime& operator=(const LocalTime&) = delete;
    ~LocalTime() {
        ::unsetenv("TZ");
        ::tzset();
    }
};

}  // namespace

TEST_CASE("a span is a number and a unit") {
    CHECK(seconds_of("30s") == 30);
    CHECK(seconds_of("15m") == 900);
    CHECK(seconds_of("1h") == 3'600);
    CHECK(seconds_of("90d") == 7'776'000);
    CHECK(seconds_of("2w") == 1'209'600);
    CHECK(seconds_of("0") == 0);
    CHECK(seconds_of("0d") == 0);
}

TEST_CASE("anything else is no span") {
    for (const char* const text : {"", "d", "90", "1 h", " 1h", "1h ", "-1h", "+1h", "1.5h", "1H", "1y", "1h30m", "0x1h",
                                   "9223372036854775807w", "99999999999999999999s", "5300w"}) {
        INFO(text);
        CHECK(seconds_of(text) == -1);
    }
}

TEST_CASE("a moment is a date in UTC, wherever one is, or so long ago") {
    const LocalTime rome("CET-1CEST,M3.5.0,M10.5.0/3");
    const auto moment = [](std::string_view text) { return moment_named(text, 1'700'000'000).value(); };
    CHECK(moment("2023-11-14") == 1'699'920'000);
    CHECK(moment("2023-11-14 22:13") == 1'699'999'980);
    CHECK(moment("2023-11-14 22:13:20") == 1'700'000'000);
    CHECK(moment("2023-11-14T22:13:20Z") == 1'700'000'000);
    CHECK(moment(time_text(1'700'000'000)) == 1'699'999'980);
    CHECK(moment(second_text(1'700'000'000)) == 1'700'000'000);
    CHECK(moment("2023-07-01 02:00:00") == 1'688'176'800);  // in summer
    CHECK(moment("2d") == 1'699'827'200);
    CHECK(moment("90m") == 1'699'994'600);
    CHECK(moment("100w") == 1'639'520'000);
    CHECK(moment_named("2d", 5).value() == 0);
    for (const char* const text : {"", "now", "2023", "2023-11", "2023-02-30", "2023-13-01", "2023-11-14T10:00", "2023-11-14 ",
                                   "2023-11-14 25:00", "2023-11-14 10:00:00 CET", "14.11.2023", "1969-01-01"}) {
        INFO(text);
        CHECK_FALSE(moment_named(text, 1'700'000'000).has_value());
    }
}

TEST_CASE("a time is shown to the minute, and none as never") {
    CHECK(time_text(1'700'000'000) == "2023-11-14 22:13 UTC");
    CHECK(second_text(1'700'000'000) == "2023-11-14 22:13:20 UTC");
    CHECK(time_text(0) == "never");
    CHECK(time_text(INT64_MAX) == "9223372036854775807");
}

}  // namespace hwvault::cli
