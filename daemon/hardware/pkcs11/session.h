// SPDX-License-Identifier: LGPL-2.1-or-later
//
// A session with the token, closed when its owner goes, and the login. A login belongs to the whole token and lasts
// until the last session is closed.
//
// The PIN goes to C_Login straight from locked memory: libp11's PKCS11_login keeps a copy in ordinary memory, and
// logs in with it again on its own, which would spend tries that we have not decided to spend.
#pragma once

#include <utility>

#include "daemon/hardware/pkcs11/rv.h"
#include "daemon/hardware/pkcs11/token.h"
#include "foundation/secret.h"

namespace hwvault::hardware::pkcs11 {

enum class Access : std::uint8_t { kRead, kWrite };

// Move-only. Not thread-safe: PKCS#11 allows one operation at a time in a session. The token outlives it.
class Session {
public:
    static Result<Session> open(const Token& token, Access access);

    Session(Session&& other) noexcept
        : token_(other.token_), handle_(std::exchange(other.handle_, CK_SESSION_HANDLE{0})) {}
    Session& operator=(Session&& other) noexcept {
        std::swap(token_, other.token_);
        std::swap(handle_, other.handle_);
        return *this;
    }
    Session(const Session&) = delete;
    Session& operator=(const Session&) = delete;
    ~Session() {
        if (handle_ != 0) token_->functions().C_CloseSession(handle_);
    }

    [[nodiscard]] const Token& token() const { return *token_; }
    [[nodiscard]] CK_FUNCTION_LIST& functions() const { return token_->functions(); }
    [[nodiscard]] CK_SESSION_HANDLE handle() const { return handle_; }
    [[nodiscard]] Result<void> check(std::string_view call, CK_RV rv) const {
        return check_rv(call, rv, token_->name());
    }

private:
    Session(const Token& token, CK_SESSION_HANDLE handle) : token_(&token), handle_(handle) {}

    const Token* token_;
    CK_SESSION_HANDLE handle_;  // 0 is CK_INVALID_HANDLE: moved from
};

// One C_Login as the user. kHardwareLocked without a try when the token says that a wrong PIN was given before
// (CKF_USER_PIN_COUNT_LOW), that one try is left (FINAL_TRY) or none (LOCKED); and after the try when it was wrong, or
// when nobody knows whether it was. No other error of C_Login's than kHardwareLocked may be a rejection.
Result<void> log_in(const Session& session, const SecretBytes& pin);

}  // namespace hwvault::hardware::pkcs11
