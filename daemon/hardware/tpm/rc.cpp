// SPDX-License-Identifier: LGPL-2.1-or-later
#include "daemon/hardware/tpm/rc.h"

#include <array>
#include <sstream>

#include <tss2/tss2_esys.h>
#include <tss2/tss2_rc.h>

namespace hwvault::hardware::tpm {
namespace {

constexpr TSS2_RC kFormatOne = 0x080;      // Part 2, 6.6.2: this bit, and which handle, session or parameter it is about
constexpr TSS2_RC kFormatOneCode = 0x0BF;  // all but those
constexpr TSS2_RC kFormatZeroCode = 0xFFF;
constexpr TSS2_RC kLayer = 0xFF0000;

struct Judgement {
    ErrorCode code;
    std::string_view advice;
};

constexpr Judgement kGone{ErrorCode::kHardwareUnavailable,
                          "The TPM is gone or does not answer: check that it is there and that `[hardware] tcti` names "
                          "the way to it."};
constexpr Judgement kLost{ErrorCode::kHardwareUnavailable,
                          "The TPM forgot a key or session of ours, as it does when it is reset."};
constexpr Judgement kCrowded{ErrorCode::kHardwareUnavailable,
                             "Others hold all of the TPM's places for keys and sessions: use a resource manager "
                             "(`tcti = \"device:/dev/tpmrm0\"`), or end what uses the TPM directly."};
constexpr Judgement kForged{ErrorCode::kHardwareUnavailable,
                            "The answer is not the TPM's: something between here and the TPM changes what is sent."};
constexpr Judgement kBroken{ErrorCode::kHardwareUnavailable,
                            "The TPM failed its own test, and does nothing until the machine was switched off and on."};
constexpr Judgement kDamaged{ErrorCode::kHardwareUnavailable,
                             "The key's blob was changed, or is another TPM's: put it back from a backup."};
constexpr Judgement kBusy{ErrorCode::kBusy,
                          "The TPM asks for patience, also after three seconds of it: try again in a while."};
// Answers with an error carry no proof of who gave them. So no code by itself says that a PIN was rejected or a policy
// failed: that is for who unseals to say (authorizations.cpp).
constexpr Judgement kLockout{ErrorCode::kHardwareUnavailable,
                             "Too many wrong PINs, of whomever: the TPM takes none for now. Wait as long as "
                             "`tpm2_getcap properties-variable` says, or lift it by `tpm2_dictionarylockout "
                             "--clear-lockout`."};
constexpr Judgement kPinRejected{ErrorCode::kHardwareUnavailable,
                                 "The PIN was rejected and is not tried again, so that the TPM does not lock. Put the "
                                 "right PIN where `[hardware] pin_credential` or --pin-file says and start again."};
constexpr Judgement kPolicy{ErrorCode::kHardwareUnavailable, "What the keys are bound to does not hold."};
constexpr Judgement kStranger{ErrorCode::kHardwareUnavailable,
                              "If another program uses the TPM directly, stop it and try again. Else the "
                              "authorization value is not the one of setup: put the file `authorization` back from a "
                              "backup. For a call about the owner hierarchy: it has a password, and hwvault "
                              "needs it without one."};
constexpr Judgement kClosed{ErrorCode::kHardwareUnavailable,
                            "The owner hierarchy is disabled: enable it in the firmware's settings."};
constexpr Judgement kFull{ErrorCode::kHardwareUnavailable,
                          "The TPM's NV memory is full: `tpm2_nvreadpublic` shows what is in it, `tpm2_nvundefine` "
                          "removes what nobody needs."};
constexpr Judgement kUnable{ErrorCode::kHardwareUnavailable,
                            "The TPM cannot do this. hwvault needs TPM2_HMAC with SHA-256, ECDSA with P-256, AES-128 in "
                            "CFB mode and NV counters."};
constexpr Judgement kUnexpected{ErrorCode::kInternal, "This was not expected of the TPM."};

struct Known {
    TSS2_RC rc;
    std::string_view name;
    Judgement judgement;
};

constexpr std::array kKnown{
    Known{TPM2_RC_INITIALIZE, "TPM2_RC_INITIALIZE", kLost},
    Known{TPM2_RC_FAILURE, "TPM2_RC_FAILURE", kBroken},
    Known{TPM2_RC_REBOOT, "TPM2_RC_REBOOT", kBroken},
    Known{TPM2_RC_PCR_CHANGED, "TPM2_RC_PCR_CHANGED", kPolicy},
    Known{TPM2_RC_POLICY_FAIL, "TPM2_RC_POLICY_FAIL", kPolicy},
    Known{TPM2_RC_AUTH_FAIL, "TPM2_RC_AUTH_FAIL", kPinRejected},
    Known{TPM2_RC_BAD_AUTH, "TPM2_RC_BAD_AUTH", kStranger},
    Known{TPM2_RC_NV_AUTHORIZATION, "TPM2_RC_NV_AUTHORIZATION", kStranger},
    Known{TPM2_RC_LOCKOUT, "TPM2_RC_LOCKOUT", kLockout},
    Known{TPM2_RC_NV_SPACE, "TPM2_RC_NV_SPACE", kFull},
    Known{TPM2_RC_NV_DEFINED, "TPM2_RC_NV_DEFINED", kUnexpected},
    Known{TPM2_RC_NV_RATE, "TPM2_RC_NV_RATE", kBusy},
    Known{TPM2_RC_NV_UNAVAILABLE, "TPM2_RC_NV_UNAVAILABLE", kBusy},
    Known{TPM2_RC_RETRY, "TPM2_RC_RETRY", kBusy},
    Known{TPM2_RC_YIELDED, "TPM2_RC_YIELDED", kBusy},
    Known{TPM2_RC_TESTING, "TPM2_RC_TESTING", kBusy},
    Known{TPM2_RC_CONTEXT_GAP, "TPM2_RC_CONTEXT_GAP", kCrowded},
    Known{TPM2_RC_OBJECT_MEMORY, "TPM2_RC_OBJECT_MEMORY", kCrowded},
    Known{TPM2_RC_SESSION_MEMORY, "TPM2_RC_SESSION_MEMORY", kCrowded},
    Known{TPM2_RC_MEMORY, "TPM2_RC_MEMORY", kCrowded},
    Known{TPM2_RC_SESSION_HANDLES, "TPM2_RC_SESSION_HANDLES", kCrowded},
    Known{TPM2_RC_OBJECT_HANDLES, "TPM2_RC_OBJECT_HANDLES", kCrowded},
    Known{TPM2_RC_INTEGRITY, "TPM2_RC_INTEGRITY", kDamaged},
    Known{TPM2_RC_BINDING, "TPM2_RC_BINDING", kDamaged},
    Known{TPM2_RC_SENSITIVE, "TPM2_RC_SENSITIVE", kDamaged},
    Known{TPM2_RC_HIERARCHY, "TPM2_RC_HIERARCHY", kClosed},
    Known{TPM2_RC_HANDLE, "TPM2_RC_HANDLE", kLost},
    Known{TPM2_RC_VALUE, "TPM2_RC_VALUE", kUnable},
    Known{TPM2_RC_COMMAND_CODE, "TPM2_RC_COMMAND_CODE", kUnable},
    Known{TPM2_RC_CURVE, "TPM2_RC_CURVE", kUnable},
    Known{TPM2_RC_SCHEME, "TPM2_RC_SCHEME", kUnable},
    Known{TPM2_RC_SYMMETRIC, "TPM2_RC_SYMMETRIC", kUnable},
    Known{TPM2_RC_HASH, "TPM2_RC_HASH", kUnable},
    Known{TSS2_ESYS_RC_BAD_SEQUENCE, "TSS2_ESYS_RC_BAD_SEQUENCE", kLost},  // after a command that was cut off
    Known{TSS2_ESYS_RC_RSP_AUTH_FAILED, "TSS2_ESYS_RC_RSP_AUTH_FAILED", kForged},
    Known{TSS2_ESYS_RC_MALFORMED_RESPONSE, "TSS2_ESYS_RC_MALFORMED_RESPONSE", kForged},
    Known{TSS2_SYS_RC_MALFORMED_RESPONSE, "TSS2_SYS_RC_MALFORMED_RESPONSE", kForged},
};

// REFERENCE_H0 to REFERENCE_S6: the number says which handle or session of the command it is about.
bool is_reference(TSS2_RC rc) {
    return rc >= TPM2_RC_REFERENCE_H0 && rc <= TPM2_RC_REFERENCE_S6;
}

std::string reference_name(TSS2_RC rc) {
    const bool of_session = rc >= TPM2_RC_REFERENCE_S0;
    return (of_session ? "TPM2_RC_REFERENCE_S" : "TPM2_RC_REFERENCE_H") +
           std::to_string(rc - (of_session ? TPM2_RC_REFERENCE_S0 : TPM2_RC_REFERENCE_H0));
}

Known judge(TSS2_RC rc) {
    for (const Known& known : kKnown) {
        if (known.rc == rc) return known;
    }
    if (is_reference(rc)) return {rc, "", kLost};
    // TCTI's own codes are about the way to the TPM; so are a resource manager's.
    const TSS2_RC layer = rc & kLayer;
    if (layer == TSS2_TCTI_RC_LAYER || layer == TSS2_RESMGR_RC_LAYER) return {rc, "", kGone};
    return {rc, "", kUnexpected};
}

}  // namespace

bool is_tpms_own(TSS2_RC rc) {
    const TSS2_RC layer = rc & kLayer;
    return layer == TSS2_TPM_RC_LAYER || layer == TSS2_RESMGR_TPM_RC_LAYER;
}

TSS2_RC bare(TSS2_RC rc) {
    if (!is_tpms_own(rc)) return rc;
    return rc & ((rc & kFormatOne) != 0 ? kFormatOneCode : kFormatZeroCode);
}

bool is_passing(TSS2_RC rc) {
    switch (bare(rc)) {
        case TPM2_RC_RETRY:
        case TPM2_RC_YIELDED:
        case TPM2_RC_TESTING:
        case TPM2_RC_NV_RATE:
        case TPM2_RC_NV_UNAVAILABLE: return true;
        default: return false;
    }
}

Result<void> check_rc(std::string_view call, TSS2_RC rc, std::string_view tcti) {
    if (rc == TSS2_RC_SUCCESS) return {};
    const Known known = judge(bare(rc));
    std::ostringstream message;
    message << call << ": ";
    if (is_reference(known.rc)) {
        message << reference_name(known.rc);
    } else if (!known.name.empty()) {
        message << known.name;
    } else {
        message << "code 0x" << std::hex << rc;
    }
    message << " (" << Tss2_RC_Decode(rc) << ") from the TPM at " << tcti << ". " << known.judgement.advice;
    return Error{known.judgement.code, message.str()};
}

}  // namespace hwvault::hardware::tpm
