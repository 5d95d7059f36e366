// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What a bench tells dev/bench: one line of JSON a measurement. What is wanted of which ratio is in bench/wanted.py, and
// nowhere else.
#pragma once

#include <algorithm>
#include <cstdio>
#include <vector>

namespace hwvault::bench {

// The last member is that of the unit: "/s", "ns", "us", "ms".
struct Measured {
    const char* name;  // in bench/wanted.py
    double ours{0};
    double limit{0};
    const char* unit;
};

inline void print(const Measured& measured) {
    std::printf("{\"measured\": \"%s\", \"ours\": %.6g, \"limit\": %.6g, \"unit\": \"%s\"}\n", measured.name, measured.ours,
                measured.limit, measured.unit);
    std::fflush(stdout);
}

// What could not be measured, and why: a sentence without quotes.
inline void print_unmeasured(const char* name, const char* why) {
    std::printf("{\"measured\": \"%s\", \"note\": \"%s\"}\n", name, why);
    std::fflush(stdout);
}

// 0 of none.
inline double median(std::vector<double> values) {
    if (values.empty()) return 0;
    const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
    std::nth_element(values.begin(), middle, values.end());
    return *middle;
}

}  // namespace hwvault::bench
