// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Results and errors: the contract's words, and that the macros hand errors on.
#include <cerrno>
#include <memory>
#include <set>
#include <stdexcept>
#include <string>

#include "foundation/result.h"
#include "tests/catch.h"

namespace hwvault {
namespace {

Result<int> half(int number) {
    if (number % 2 != 0) return Error{ErrorCode::kInvalidArgument, "An odd number has no half."};
    return number / 2;
}
Result<int> quarter(int number) {
    HWVAULT_TRY(const int once, half(number));
    HWVAULT_TRY(const int twice, half(once));
    return twice;
}
Result<void> is_even(int number) {
    HWVAULT_CHECK(half(number));
    return {};
}
Result<std::unique_ptr<int>> boxed(int number) {
    HWVAULT_TRY(auto box, Result<std::unique_ptr<int>>(std::make_unique<int>(number)));
    return box;
}

TEST_CASE("Each error has the contract's word, and no two the same") {
    const char* const words[] = {"NotFound",     "AccessDenied",   "InvalidArgument", "AlreadyExists", "QuotaExceeded",
                                 "Expired",      "Busy",           "HardwareUnavailable", "HardwareLocked",
                                 "NotInitialised", "StoreTampered", "RolledBack",     "AuditUnavailable", "Internal"};
    std::set<std::string_view> seen;
    std::uint8_t number = 1;  // the numbers travel between daemon and child
    for (const char* expected : words) {
        CHECK(word(static_cast<ErrorCode>(number++)) == expected);
        CHECK(seen.insert(expected).second);
    }
    CHECK(word(static_cast<ErrorCode>(0)) == "Internal");
    CHECK(word(static_cast<ErrorCode>(number)) == "Internal");
}

TEST_CASE("HWVAULT_TRY goes on with the value or returns the error") {
    CHECK(*quarter(12) == 3);
    CHECK(quarter(3).error().code == ErrorCode::kInvalidArgument);
    CHECK(quarter(6).error().message == "An odd number has no half.");
    CHECK(**boxed(5) == 5);
}

TEST_CASE("HWVAULT_CHECK goes on or returns the error") {
    CHECK(is_even(2));
    CHECK(is_even(3).error() == half(3).error());
}

TEST_CASE("Asking an error for its value is a defect that names the error") {
    CHECK_THROWS_AS(half(1).value(), std::logic_error);
    try {
        (void)half(1).value();
        FAIL("no exception");
    } catch (const std::logic_error& defect) {
        CHECK(std::string(defect.what()) == "InvalidArgument: An odd number has no half.");
    }
}

TEST_CASE("An error of the system names the call and what it said") {
    const Error error = errno_error("open /x", EACCES);
    CHECK(error.code == ErrorCode::kInternal);
    CHECK(error.message == "open /x: Permission denied");
    CHECK(errno_error("open /x", ENOENT, ErrorCode::kNotFound).code == ErrorCode::kNotFound);
}

}  // namespace
}  // namespace hwvault
