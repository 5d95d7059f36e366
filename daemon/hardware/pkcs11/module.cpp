// SPDX-License-Identifier: LGPL-2.1-or-later
#include "daemon/hardware/pkcs11/module.h"

#include <string>

#include <dlfcn.h>

#include "daemon/hardware/pkcs11/rv.h"

namespace hwvault::hardware::pkcs11 {
namespace {

Error not_loaded(const std::filesystem::path& path, const std::string& reason) {
    return {ErrorCode::kHardwareUnavailable, "The PKCS#11 module " + path.string() + " cannot be loaded: " + reason +
                                                 ". Check `[hardware] module`."};
}

// RTLD_NODELETE: libraries under a module (OpenSSL, tss2) register handlers and thread-local data that outlive
// dlclose(), and crash when their code is unmapped. So a module stays mapped once it was loaded.
Result<CK_FUNCTION_LIST*> function_list(const std::filesystem::path& path) {
    void* const library = ::dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
    if (library == nullptr) {
        const char* reason = ::dlerror();
        return not_loaded(path, reason ? reason : "dlopen failed");
    }
    const auto get = reinterpret_cast<CK_C_GetFunctionList>(::dlsym(library, "C_GetFunctionList"));
    ::dlclose(library);
    if (get == nullptr) return not_loaded(path, "it has no C_GetFunctionList, so it is no PKCS#11 module");
    CK_FUNCTION_LIST* functions = nullptr;
    const CK_RV rv = get(&functions);
    if (rv != CKR_OK || functions == nullptr) return not_loaded(path, "C_GetFunctionList: " + name_of(rv));
    return functions;
}

}  // namespace

Result<Module> Module::load(const std::filesystem::path& path) {
    Module module;
    module.path_ = path;
    HWVAULT_TRY(module.functions_, function_list(path));
    module.context_.reset(PKCS11_CTX_new());
    if (module.context_ == nullptr) return Error{ErrorCode::kInternal, "PKCS11_CTX_new failed: out of memory."};
    if (PKCS11_CTX_load(module.context_.get(), path.c_str()) != 0) {
        return not_loaded(path, libp11_error("C_Initialize", "of any slot").message);
    }
    module.loaded_.reset(module.context_.get());
    return module;
}

}  // namespace hwvault::hardware::pkcs11
