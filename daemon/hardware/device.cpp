// SPDX-License-Identifier: LGPL-2.1-or-later
#include "daemon/hardware/device.h"

#include "crypto/p256.h"
#include "foundation/fields.h"

namespace hwvault::hardware {

std::string_view text(Label label) {
    switch (label) {
        case Label::kToken: return "hwvault/token/1";
        case Label::kSeal: return "hwvault/seal/1";
        case Label::kStore: return "hwvault/store/1";
        case Label::kEpoch: return "hwvault/epoch/1";
    }
    return "hwvault/unknown";
}

std::string_view word(RollbackProtection protection) {
    switch (protection) {
        case RollbackProtection::kNone: return "none";
        case RollbackProtection::kPinWritable: return "pin-writable";
        case RollbackProtection::kCounter: return "counter";
    }
    return "none";
}

Error cannot_be_opened(Error why) {
    const bool known = why.code == ErrorCode::kHardwareLocked || why.code == ErrorCode::kNotInitialised;
    if (!known) why.code = ErrorCode::kHardwareUnavailable;
    return why;
}

Result<Description> try_out(Device& device) {
    const Bytes message = checkpoint_message({});
    HWVAULT_TRY(Description description, device.describe());
    HWVAULT_CHECK(device.derive(Label::kStore, message));
    HWVAULT_CHECK(device.random(kDerivedSize));
    HWVAULT_TRY(const Bytes signature, device.sign(message));
    HWVAULT_TRY(const bool verified, crypto::verify_p256(description.signing_key, message, signature));
    if (!verified) {
        return hardware_unavailable("The device " + description.label + " at " + description.module +
                                    " signs, but not with the key whose public half it shows.");
    }
    if (description.rollback_protection != RollbackProtection::kNone) HWVAULT_CHECK(device.epoch());
    return description;
}

Bytes derivation_input(Label label, BytesView context) {
    return FieldWriter().text(text(label)).bytes(context).take();
}

}  // namespace hwvault::hardware
