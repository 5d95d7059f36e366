// SPDX-License-Identifier: LGPL-2.1-or-later
#include "daemon/hardware/child/dispatch.h"

namespace hwvault::hardware::child {
namespace {

struct Performer {
    Device& device;
    CheckpointLedger& ledger;

    Result<SecretBytes> operator()(const DeriveRequest& request) const {
        if (request.label == Label::kEpoch) {
            return Error{ErrorCode::kAccessDenied, "The label of the epoch is the hardware child's own."};
        }
        return device.derive(request.label, request.context);
    }

    Result<SecretBytes> operator()(const CheckpointRequest& request) const {
        HWVAULT_CHECK(ledger.claim(request.checkpoint.sequence));
        HWVAULT_TRY(const Bytes signature, device.sign(checkpoint_message(request.checkpoint)));
        return SecretBytes::copy_of(signature);
    }

    Result<SecretBytes> operator()(const RandomRequest& request) const { return device.random(request.size); }

    Result<SecretBytes> operator()(EpochRequest) const {
        HWVAULT_TRY(const std::uint64_t epoch, device.epoch());
        return encode_number(epoch);
    }

    Result<SecretBytes> operator()(const AdvanceRequest& request) const {
        HWVAULT_TRY(const CounterReading reading, device.advance(request.from));
        return encode_reading(reading);
    }

    Result<SecretBytes> operator()(DescribeRequest) const {
        HWVAULT_TRY(const Description description, device.describe());
        return encode_description(description);
    }
};

}  // namespace

Result<SecretBytes> perform(const Verb& verb, Device& device, CheckpointLedger& ledger) {
    return std::visit(Performer{device, ledger}, verb);
}

}  // namespace hwvault::hardware::child
