// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Something loaded in the TPM's own memory, a key or a session, flushed as it goes: a TPM has three places for each.
#pragma once

#include <utility>

#include "daemon/hardware/tpm/context.h"

namespace hwvault::hardware::tpm {

// The context outlives it.
class Object {
public:
    Object() = default;
    Object(Context& context, ESYS_TR handle) : context_(&context), handle_(handle) {}
    Object(Object&& other) noexcept
        : context_(other.context_), handle_(std::exchange(other.handle_, ESYS_TR_NONE)) {}
    Object& operator=(Object&& other) noexcept {
        std::swap(context_, other.context_);
        std::swap(handle_, other.handle_);
        return *this;
    }
    Object(const Object&) = delete;
    Object& operator=(const Object&) = delete;
    ~Object() {
        // Of a TPM that is gone, so is what was loaded.
        if (handle_ != ESYS_TR_NONE) static_cast<void>(Esys_FlushContext(context_->esys(), handle_));
    }

    [[nodiscard]] ESYS_TR handle() const { return handle_; }
    // Its name: the hash of its public area (TPM 2.0 Part 1, section 16).
    [[nodiscard]] Result<Bytes> name() const;
    // The authorization value that ESAPI uses for it from now on.
    Result<void> authorize(const SecretBytes& value);

private:
    Context* context_{nullptr};
    ESYS_TR handle_{ESYS_TR_NONE};
};

// The name of any object of ESAPI's, also of an NV index.
Result<Bytes> name_of(Context& context, ESYS_TR handle);

}  // namespace hwvault::hardware::tpm
