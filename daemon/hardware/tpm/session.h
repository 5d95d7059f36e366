// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Sessions salted with the storage primary (TPM 2.0 Part 1, section 19): who has not that primary's private half can
// neither read what is encrypted in them nor forge an answer. AES-128-CFB, SHA-256.
#pragma once

#include "daemon/hardware/tpm/object.h"

namespace hwvault::hardware::tpm {

// Which parameters of a command are encrypted: the first of the command, the first of its answer. A TPM refuses that for
// a command without such a parameter, so each call says what its command has. kNothing is for a command that the session
// authorizes; kAudited for one that nobody must, whose answer is authentic all the same.
enum class Hidden : std::uint8_t { kNothing, kAudited, kCommand, kAnswer, kBoth };

class Session {
public:
    enum class Kind : std::uint8_t { kHmac, kPolicy };

    Session() = default;
    static Result<Session> start(Context& context, const Object& primary, Kind kind = Kind::kHmac);

    // The handle for the next call.
    Result<ESYS_TR> hiding(Hidden what);
    // The handle as it is, for a policy command that is about this session.
    [[nodiscard]] ESYS_TR handle() const { return object_.handle(); }

private:
    Session(Context& context, Object object) : context_(&context), object_(std::move(object)) {}

    Context* context_{nullptr};
    Object object_;
};

}  // namespace hwvault::hardware::tpm
