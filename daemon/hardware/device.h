// SPDX-License-Identifier: LGPL-2.1-or-later
//
// A hardware device as hwvault needs it: six verbs. PKCS#11, TPM and the fake of the tests stand behind it, in
// the child process `hwvault-hardware`; the daemon speaks to it through daemon/hardware/hardware.h.
//
// Calls block. An implementation is thread-safe: the child calls it from as many threads as `parallel()` says.
// Errors: kHardwareUnavailable (gone, or answers nonsense), kHardwareLocked (PIN rejected or locked, or nobody knows
// whether it was rejected), kNotInitialised (came back without its keys), and for a verb that the device cannot do,
// kInvalidArgument. Each names the call, the device's code by name, the token, and what to try.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/vault/checkpoint.h"
#include "foundation/bytes.h"
#include "foundation/result.h"
#include "foundation/secret.h"

namespace hwvault::hardware {

constexpr std::size_t kDerivedSize = 32;       // bytes of an HMAC-SHA-256
constexpr std::size_t kMaxContextSize = 1000;  // bytes; with the label in front, what TPM2_HMAC takes (1,024)
constexpr std::size_t kMaxRandomSize = 1024;   // bytes in one call

// The domains of derivation. The child puts the label's text in front of the context, so that no caller can
// choose another. The numbers travel; do not reorder.
enum class Label : std::uint8_t {
    kToken = 1,  // "hwvault/token/1": an issued token's secret
    kSeal,       // "hwvault/seal/1": the key that seals one content of one record
    kStore,      // "hwvault/store/1": the keys that authenticate the store
    kEpoch,      // "hwvault/epoch/1": the child's own, for the MAC of the epoch object; refused over the socket
};
std::string_view text(Label label);

// What a checkpoint signs, and the signed bytes.
using vault::Checkpoint;
using vault::checkpoint_message;

enum class RollbackProtection : std::uint8_t { kNone, kPinWritable, kCounter };
std::string_view word(RollbackProtection protection);  // "none", "pin-writable", "counter"

// A key, and where it lives.
struct KeyDescription {
    std::string purpose;   // "root", "signing"
    std::string label;     // as the device's own tools show it
    std::string kind;      // "CKK_GENERIC_SECRET", "P-256", ...
    bool sensitive{false};
    bool never_extractable{false};
    bool local{false};     // made inside the device
};

struct Description {
    std::string kind;    // "pkcs11", "tpm", "fake"
    std::string vendor;
    std::string model;
    std::string serial;
    std::string label;   // the token's
    std::string module;  // path of the PKCS#11 module, or the TCTI
    std::string policy;  // what the keys are bound to besides the device: "a PIN", "PCR 7 and a PIN", "none"
    std::vector<KeyDescription> keys;
    std::vector<std::string> abilities;  // "derive", "sign", "random", "epoch"
    RollbackProtection rollback_protection{RollbackProtection::kNone};
    Bytes signing_key;   // DER SubjectPublicKeyInfo
    Bytes counter;       // which counter epoch() reads, where the device can have others in its place; else empty
};

// Where a counter stands, and which one that is.
struct CounterReading {
    std::uint64_t number{0};
    Bytes counter;  // as Description::counter
};

// How the message of a kHardwareLocked begins that does not say that the device rejected the PIN: it was not given to
// it, or it gave no reason.
constexpr std::string_view kNoLoginTried = "No login was tried";
constexpr std::string_view kRejectionUnknown = "It is unknown whether the PIN was rejected";

class Device {
public:
    virtual ~Device() = default;

    // HMAC-SHA-256 inside the device over the label's text and `context`, framed as fields.
    virtual Result<SecretBytes> derive(Label label, BytesView context) = 0;
    // ECDSA P-256 with SHA-256 inside the device, a DER ECDSA-Sig-Value.
    virtual Result<Bytes> sign(BytesView message) = 0;
    virtual Result<SecretBytes> random(std::size_t size) = 0;
    // A number that only grows. kInvalidArgument where rollback_protection is kNone; kRolledBack when the device
    // had one and it was removed or changed.
    virtual Result<std::uint64_t> epoch() = 0;
    // One step, to `from` + 1, if it stands at `from`; elsewhere it stays as it is. Where it stands then, durable in
    // the device, and which counter it is that stands there. So a step that is asked for again, since its answer was lost or late,
    // is never made twice: a device that is ahead of the store looks like a store that was rolled back.
    virtual Result<CounterReading> advance(std::uint64_t from) = 0;
    virtual Result<Description> describe() = 0;

    // How many calls it can work on at once.
    [[nodiscard]] virtual unsigned parallel() const = 0;
};

// What is to be said of a device that could not be opened: whatever the reason (a setting of ours, too many sessions, no
// memory), it is not there for those who call, and may be later. kHardwareLocked and kNotInitialised stay what they are.
Error cannot_be_opened(Error why);

// Uses every ability once, so that a device that only claims it is found at setup and not by a caller.
Result<Description> try_out(Device& device);

// What the label and context look like inside the HMAC: one injective encoding for every backend.
Bytes derivation_input(Label label, BytesView context);

}  // namespace hwvault::hardware
