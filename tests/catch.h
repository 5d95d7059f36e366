// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Catch2, whichever of 2 (Debian 12) and 3 (Debian 13) is there: the one place that knows the difference.
#pragma once

#if __has_include(<catch2/catch_all.hpp>)
#include <catch2/catch_all.hpp>
#else
#include <catch2/catch.hpp>
#endif
