// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Catch2, whichever of 2 (Debian 12) and 3 (Debian 13) is there: the one place that knows the difference. A Result
// that fails a check is shown by its error.
#pragma once

#if __has_include(<catch2/catch_all.hpp>)
#include <catch2/catch_all.hpp>
#else
#include <catch2/catch.hpp>
#endif

#include <string>

#include "foundation/result.h"

template <class T>
struct Catch::StringMaker<hwvault::Result<T>> {
    static std::string convert(const hwvault::Result<T>& result) {
        if (result.has_value()) return "a value";
        return std::string(hwvault::word(result.error().code)) + ": " + result.error().message;
    }
};
