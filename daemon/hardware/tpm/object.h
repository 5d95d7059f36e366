// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Owners of what ESAPI knows of in the TPM. Object: something loaded in the TPM's own memory, a key or a session, flushed
// as it goes, since a TPM has three places for each. Reference: something that stays where it is, an NV index; ESAPI
// forgets it as it goes.
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

class Reference {
public:
    Reference(Context& context, ESYS_TR handle) : context_(&context), handle_(handle) {}
    Reference(Reference&& other) noexcept
        : context_(other.context_), handle_(std::exchange(other.handle_, ESYS_TR_NONE)) {}
    Reference& operator=(Reference&& other) noexcept {
        std::swap(context_, other.context_);
        std::swap(handle_, other.handle_);
        return *this;
    }
    Reference(const Reference&) = delete;
    Reference& operator=(const Reference&) = delete;
    ~Reference() {
        if (handle_ != ESYS_TR_NONE) Esys_TR_Close(context_->esys(), &handle_);
    }

    [[nodiscard]] ESYS_TR handle() const { return handle_; }
    [[nodiscard]] Result<Bytes> name() const;
    Result<void> authorize(const SecretBytes& value);

private:
    Context* context_;
    ESYS_TR handle_;
};

}  // namespace hwvault::hardware::tpm
