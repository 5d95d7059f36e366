// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Catch2, whichever of 2 (Debian 12) and 3 (Debian 13) is there: the one place that knows the difference. A Result
// that fails a check is shown by its error; is_long_run() says whether tests that take minutes run in full.
#pragma once

#if __has_include(<catch2/catch_all.hpp>)
#include <catch2/catch_all.hpp>
#else
#include <catch2/catch.hpp>
#endif

#include <cstdlib>
#include <string>

#include "foundation/result.h"

template <class T>
struct Catch::StringMaker<hwvault::Result<T>> {
    static std::string convert(const hwvault::Result<T>& result) {
        if (result.has_value()) return "a value";
        return std::string(hwvault::word(result.error().code)) + ": " + result.error().message;
    }
};

// HWVAULT_LONG in the environment, as `dev/test --long` sets it.
inline bool is_long_run() {
    const char* const set = std::getenv("HWVAULT_LONG");
    return set != nullptr && *set != '\0';
}
