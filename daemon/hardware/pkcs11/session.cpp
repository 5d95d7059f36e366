// SPDX-License-Identifier: LGPL-2.1-or-later
#include "daemon/hardware/pkcs11/session.h"

namespace hwvault::hardware::pkcs11 {
namespace {

Error not_tried(const std::string& token, std::string_view flag, std::string_view advice) {
    return {ErrorCode::kHardwareLocked,
            std::string(kNoLoginTried) + ": token " + token + " reports " + std::string(flag) + ". " +
                std::string(advice)};
}

Result<void> may_log_in(const CK_TOKEN_INFO& info, const std::string& token) {
    constexpr std::string_view kResetCount =
        "A wrong PIN was given before. Make sure of the right one, log in once by hand, which resets the count "
        "(`pkcs11-tool --module M --login --list-objects`), and start again.";
    if ((info.flags & CKF_USER_PIN_LOCKED) != 0) {
        return not_tried(token, "CKF_USER_PIN_LOCKED",
                         "Set a new PIN with the security officer's PIN "
                         "(`pkcs11-tool --module M --login --login-type so --init-pin`).");
    }
    if ((info.flags & CKF_USER_PIN_FINAL_TRY) != 0) return not_tried(token, "CKF_USER_PIN_FINAL_TRY", kResetCount);
    if ((info.flags & CKF_USER_PIN_COUNT_LOW) != 0) return not_tried(token, "CKF_USER_PIN_COUNT_LOW", kResetCount);
    return {};
}

// Codes that say nothing, and those that nobody knows: some modules give one for a PIN that they rejected.
bool may_hide_a_rejection(CK_RV rv, ErrorCode code) {
    return rv == CKR_GENERAL_ERROR || rv == CKR_FUNCTION_FAILED ||
           (code != ErrorCode::kHardwareUnavailable && code != ErrorCode::kHardwareLocked);
}

}  // namespace

Result<Session> Session::open(const Token& token, Access access) {
    const CK_FLAGS flags = CKF_SERIAL_SESSION | (access == Access::kWrite ? CKF_RW_SESSION : 0UL);
    CK_SESSION_HANDLE handle = 0;
    const CK_RV rv = token.functions().C_OpenSession(token.slot(), flags, nullptr, nullptr, &handle);
    HWVAULT_CHECK(check_rv("C_OpenSession", rv, token.name()));
    return Session(token, handle);
}

Result<void> log_in(const Session& session, const SecretBytes& pin) {
    HWVAULT_TRY(const CK_TOKEN_INFO info, session.token().info());
    HWVAULT_CHECK(may_log_in(info, session.token().name()));
    // PKCS#11 takes the PIN as a pointer to non-const and does not write to it.
    auto* const bytes = const_cast<CK_UTF8CHAR*>(pin.reveal().data());
    const CK_RV rv = session.functions().C_Login(session.handle(), CKU_USER, bytes, pin.size());
    auto logged_in = session.check("C_Login", rv);
    if (logged_in || !may_hide_a_rejection(rv, logged_in.error().code)) return logged_in;
    return Error{ErrorCode::kHardwareLocked, std::string(kRejectionUnknown) + ", so it is not tried again. " +
                                                 std::move(logged_in).error().message +
                                                 " Make sure of the PIN, then restart hwvault-hardware."};
}

}  // namespace hwvault::hardware::pkcs11
