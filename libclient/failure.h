// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Answer<T>: a value, or a Failure as a client sees it: the vault's error, or one that only a client can find
// (unreachable, too late, not the vault's language). The codes are those of <hwvault/hwvault.h>.
#pragma once

#include <stdexcept>
#include <string>
#include <utility>

#include <boost/system/result.hpp>

#include "foundation/result.h"
#include "libclient/include/hwvault/hwvault.h"

namespace hwvault::libclient {

struct Failure {
    int code{HWVAULT_ERROR_INTERNAL};
    std::string message;

    Failure() = default;
    Failure(int number, std::string sentence) : code(number), message(std::move(sentence)) {}
    // The vault's words have the same numbers in the C interface; a test holds them together.
    Failure(Error error) : code(static_cast<int>(error.code)), message(std::move(error.message)) {}  // NOLINT(google-explicit-constructor)
};

// Called by boost::system::result when value() is asked of a failure: a defect of ours, so it throws.
[[noreturn]] inline void throw_exception_from_error(const Failure& failure, const boost::source_location&) {
    throw std::logic_error("the value of a failed answer was asked for: " + failure.message);
}

template <class T>
class [[nodiscard]] Answer : public boost::system::result<T, Failure> {
public:
    using boost::system::result<T, Failure>::result;
};

}  // namespace hwvault::libclient
