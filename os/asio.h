// SPDX-License-Identifier: LGPL-2.1-or-later
//
// How our coroutines wait: for a tuple that begins with the error code, so that no foreign exception is thrown.
#pragma once

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace hwvault::os {

inline constexpr auto kAsTuple = boost::asio::as_tuple(boost::asio::use_awaitable);

}  // namespace hwvault::os
