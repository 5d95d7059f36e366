// SPDX-License-Identifier: LGPL-2.1-or-later
//
// A PKCS#11 module, loaded and initialised by libp11, with its own function list beside: the calls that libp11
// does not have go straight to it.
//
// C_Initialize and C_Finalize are the process's, not ours alone: one Module at a time.
#pragma once

#include <filesystem>

#include "daemon/hardware/pkcs11/handles.h"
#include "foundation/result.h"

namespace hwvault::hardware::pkcs11 {

class Module {
public:
    // kHardwareUnavailable when it is not there, is no PKCS#11 module, or C_Initialize fails.
    static Result<Module> load(const std::filesystem::path& path);

    [[nodiscard]] PKCS11_CTX* context() const { return context_.get(); }
    [[nodiscard]] CK_FUNCTION_LIST& functions() const { return *functions_; }
    [[nodiscard]] const std::filesystem::path& path() const { return path_; }

private:
    Module() = default;

    std::filesystem::path path_;
    CK_FUNCTION_LIST* functions_{nullptr};
    Context context_;
    Loaded loaded_;  // goes before context_
};

}  // namespace hwvault::hardware::pkcs11
