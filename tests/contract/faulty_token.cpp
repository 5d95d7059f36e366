// SPDX-License-Identifier: LGPL-2.1-or-later
#include "tests/contract/faulty_token.h"

#include <cstdlib>
#include <stdexcept>

#include <dlfcn.h>

namespace hwvault::hardware::testing {
namespace {

void reset(Faults& faults) {
    faults.logins = 0;
    faults.loads = 0;
    faults.extra_flags = 0;
    faults.max_sessions = 0;
    faults.attribute_lie = kNoLie;
    faults.no_data_objects = false;
    faults.no_destroy = false;
    faults.removed = false;
    faults.wrong_pin_after = 0;
    faults.open_failures = 0;
    faults.open_rv = CKR_OK;
    faults.no_objects = false;
    faults.sign_failures = 0;
    faults.login_rv = CKR_OK;
    faults.sign_rv = CKR_OK;
    faults.label_rv = CKR_OK;
    faults.labels_asked = 0;
    faults.longest_label = kAnyLength;
    faults.labelled_then_lost = 0;
    faults.created_then_lost = 0;
}

Faults& find_faults(const std::string& module) {
    void* const library = ::dlopen(module.c_str(), RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
    if (library == nullptr) throw std::runtime_error(::dlerror());
    const auto get = reinterpret_cast<FaultsSymbol>(::dlsym(library, "hwvault_faults"));
    ::dlclose(library);
    return *get();
}

}  // namespace

Faulty present_token() {
    Pkcs11Backend& on = pkcs11_backend();
    const char* module = std::getenv("HWVAULT_FAULTY_MODULE");
    if (module == nullptr) throw std::runtime_error("HWVAULT_FAULTY_MODULE does not name faulty_module.so");
    ::setenv("HWVAULT_FAULTY_OVER", on.config().module.c_str(), 1);
    Faults& faults = find_faults(module);
    reset(faults);
    return {{module, on.config().serial}, on.pin(), faults};
}

Faulty faulty_fresh() {
    fresh_device();
    return present_token();
}

Faulty faulty() {
    make_ready_token();
    return present_token();
}

}  // namespace hwvault::hardware::testing
