// SPDX-License-Identifier: LGPL-2.1-or-later
//
// HMACs of a PKCS#11 module that is called directly in this process, by as many threads as one likes, each with a session of its
// own: the limit of a derivation.
#pragma once

#include <chrono>
#include <cstddef>
#include <filesystem>

#include <p11-kit/pkcs11.h>

#include "foundation/bytes.h"
#include "foundation/secret.h"

namespace hwvault::bench {

// Throws std::runtime_error, naming the call, when the module says anything but CKR_OK.
class RawSigner {
public:
    // Logs in to the first token that is initialised, and looks for hwvault's root key on it.
    RawSigner(const std::filesystem::path& module, const SecretBytes& pin);
    RawSigner(const RawSigner&) = delete;
    RawSigner& operator=(const RawSigner&) = delete;
    ~RawSigner();

    // HMACs per second over `input`, of all threads.
    [[nodiscard]] double rate(std::size_t threads, BytesView input, std::chrono::nanoseconds time) const;

private:
    [[nodiscard]] CK_SESSION_HANDLE open_session() const;
    [[nodiscard]] std::size_t sign_until(std::chrono::steady_clock::time_point end, BytesView input) const;

    CK_FUNCTION_LIST* functions_;
    CK_SLOT_ID slot_{0};
    CK_SESSION_HANDLE session_{0};
    CK_OBJECT_HANDLE key_{0};
};

}  // namespace hwvault::bench
