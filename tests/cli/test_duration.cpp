// SPDX-License-Identifier: LGPL-2.1-or-later
#include "cli/duration.h"

#include "tests/catch.h"

namespace hwvault::cli {
namespace {

std::int64_t seconds_of(std::string_view text) {
    const auto span = duration_named(text);
    return span ? span->count() : -1;
}

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

TEST_CASE("a time is shown to the minute, and none as never") {
    CHECK(time_text(1'700'000'000) == "2023-11-14 22:13 UTC");
    CHECK(time_text(0) == "never");
    CHECK(time_text(INT64_MAX) == "9223372036854775807");
}

}  // namespace hwvault::cli
