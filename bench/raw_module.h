// SPDX-License-Identifier: LGPL-2.1-or-later
//
// A PKCS#11 module that is called directly in this process: HMACs by as many threads as one likes, each with a session of its own,
// which is the limit of a derivation; and new labels of an object, which a step of the epoch cannot do without.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <filesystem>

#include <p11-kit/pkcs11.h>

#include "foundation/bytes.h"
#include "foundation/secret.h"

namespace hwvault::bench {

// Throws std::runtime_error, naming the call, when the module says anything but CKR_OK.
class RawModule {
public:
    // Logs in to the first token that is initialised, and looks for hwvault's root key on it.
    RawModule(const std::filesystem::path& module, const SecretBytes& pin);
    RawModule(const RawModule&) = delete;
    RawModule& operator=(const RawModule&) = delete;
    ~RawModule();

    // One HMAC over `input`. Not thread-safe, as all but rate() is.
    void sign(BytesView input) const { sign(session_, input); }
    // HMACs per second over `input`, of all threads.
    [[nodiscard]] double rate(std::size_t threads, BytesView input, std::chrono::nanoseconds time) const;

    // Gives a private object of its own, which goes with this, a label of another `kLabelSize` characters.
    void relabel();

private:
    static constexpr std::size_t kLabelSize = 80;  // as an epoch's

    void make_object();
    [[nodiscard]] CK_SESSION_HANDLE open_session(CK_FLAGS flags = CKF_SERIAL_SESSION) const;
    void sign(CK_SESSION_HANDLE session, BytesView input) const;
    [[nodiscard]] std::size_t sign_until(std::chrono::steady_clock::time_point end, BytesView input) const;

    CK_FUNCTION_LIST* functions_;
    CK_SLOT_ID slot_{0};
    CK_SESSION_HANDLE session_{0};
    CK_OBJECT_HANDLE key_{0};
    CK_OBJECT_HANDLE object_{0};
    std::array<CK_BYTE, kLabelSize> label_{};
};

}  // namespace hwvault::bench
