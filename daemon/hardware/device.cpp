// SPDX-License-Identifier: LGPL-2.1-or-later
#include "daemon/hardware/device.h"

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

Bytes derivation_input(Label label, BytesView context) {
    return FieldWriter().text(text(label)).bytes(context).take();
}

}  // namespace hwvault::hardware
