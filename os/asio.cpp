// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Boost.Asio's own functions, compiled here once instead of in every file that waits
// (BOOST_ASIO_SEPARATE_COMPILATION, set in the top CMakeLists.txt).
#include <boost/asio/impl/src.hpp>
