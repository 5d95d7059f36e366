// SPDX-License-Identifier: LGPL-2.1-or-later
#include "foundation/result.h"

#include <stdexcept>
#include <system_error>

namespace hwvault {

std::string_view word(ErrorCode code) {
    switch (code) {
        case ErrorCode::kNotFound: return "NotFound";
        case ErrorCode::kAccessDenied: return "AccessDenied";
        case ErrorCode::kInvalidArgument: return "InvalidArgument";
        case ErrorCode::kAlreadyExists: return "AlreadyExists";
        case ErrorCode::kQuotaExceeded: return "QuotaExceeded";
        case ErrorCode::kExpired: return "Expired";
        case ErrorCode::kBusy: return "Busy";
        case ErrorCode::kHardwareUnavailable: return "HardwareUnavailable";
        case ErrorCode::kHardwareLocked: return "HardwareLocked";
        case ErrorCode::kNotInitialised: return "NotInitialised";
        case ErrorCode::kStoreTampered: return "StoreTampered";
        case ErrorCode::kRolledBack: return "RolledBack";
        case ErrorCode::kAuditUnavailable: return "AuditUnavailable";
        case ErrorCode::kInternal: return "Internal";
    }
    return "Internal";
}

void throw_exception_from_error(const Error& error, const boost::source_location&) {
    throw std::logic_error(std::string(word(error.code)) + ": " + error.message);
}

Error errno_error(std::string_view call, int error_number, ErrorCode code) {
    return {code, std::string(call) + ": " + std::system_category().message(error_number)};
}

}  // namespace hwvault
