// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Result<T>: a value, or an Error that a caller of hwvault can act on.
//
// The error words are those of the contract, the same on every door. A message is a sentence for a person:
// what happened and what to do next. It never holds a secret. Foreign errors (CKR, SQLite, OpenSSL, errno,
// sdbus) become an Error in the file that calls the library; no exception crosses a room.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include <boost/system/result.hpp>

namespace hwvault {

// The numbers travel between daemon and hardware child; do not reorder.
enum class ErrorCode : std::uint8_t {
    kNotFound = 1,
    kAccessDenied,
    kInvalidArgument,
    kAlreadyExists,
    kQuotaExceeded,
    kExpired,
    kBusy,
    kHardwareUnavailable,
    kHardwareLocked,
    kNotInitialised,
    kStoreTampered,
    kRolledBack,
    kAuditUnavailable,
    kInternal,
};

// "NotFound", "AccessDenied", ...: the word that follows `org.hwvault.Error.` and `org.hwvault.Vault.`.
std::string_view word(ErrorCode code);

struct Error {
    ErrorCode code{ErrorCode::kInternal};
    std::string message;

    friend bool operator==(const Error&, const Error&) = default;
};

// Called by boost::system::result when value() is asked of an error: a defect of ours, so it throws.
[[noreturn]] void throw_exception_from_error(const Error& error, const boost::source_location& where);

// Copyable or movable as T is. Not thread-safe.
template <class T>
class [[nodiscard]] Result : public boost::system::result<T, Error> {
public:
    using boost::system::result<T, Error>::result;
};

inline Error invalid_argument(std::string message) {
    return {ErrorCode::kInvalidArgument, std::move(message)};
}

inline Error hardware_unavailable(std::string message) {
    return {ErrorCode::kHardwareUnavailable, std::move(message)};
}

// An Error whose message names the call that failed and what errno said: "open /x: Permission denied".
Error errno_error(std::string_view call, int error_number, ErrorCode code = ErrorCode::kInternal);

}  // namespace hwvault

#define HWVAULT_JOIN_(a, b) a##b
#define HWVAULT_JOIN(a, b) HWVAULT_JOIN_(a, b)
#define HWVAULT_TRY_(result, leave, declaration, ...) \
    auto result = (__VA_ARGS__);                      \
    if (!result) leave std::move(result).error();     \
    declaration = std::move(result).value()

// HWVAULT_TRY(auto x, f()): x is f's value, or the enclosing function returns f's error.
#define HWVAULT_TRY(declaration, ...) HWVAULT_TRY_(HWVAULT_JOIN(result_, __LINE__), return, declaration, __VA_ARGS__)
// The same in a coroutine.
#define HWVAULT_CO_TRY(declaration, ...) \
    HWVAULT_TRY_(HWVAULT_JOIN(result_, __LINE__), co_return, declaration, __VA_ARGS__)

// HWVAULT_CHECK(f()): goes on when f succeeded, else returns f's error; for Result<void>.
#define HWVAULT_CHECK(...) \
    if (auto checked = (__VA_ARGS__); !checked) return std::move(checked).error()
#define HWVAULT_CO_CHECK(...) \
    if (auto checked = (__VA_ARGS__); !checked) co_return std::move(checked).error()
