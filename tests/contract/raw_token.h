// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Somebody else in the same process who calls the PKCS#11 module directly, behind hwvault's back: closes sessions,
// reads, adds, changes and removes objects. It shares the login of the device that a test has open.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <p11-kit/pkcs11.h>

#include "daemon/hardware/pkcs11/objects.h"
#include "foundation/bytes.h"
#include "foundation/secret.h"

namespace hwvault::hardware::testing {

// Throws std::runtime_error, naming the call, when the module says anything but CKR_OK.
class RawToken {
public:
    // The module is initialised here if nobody has done it, and then finalised again.
    RawToken(const std::filesystem::path& module, const std::string& serial);
    RawToken(const RawToken&) = delete;
    RawToken& operator=(const RawToken&) = delete;
    ~RawToken();

    [[nodiscard]] CK_TOKEN_INFO info() const;
    void close_all_sessions();
    // Returns the CKR instead of throwing.
    CK_RV log_in(const SecretBytes& pin);

    std::vector<CK_OBJECT_HANDLE> find(CK_OBJECT_CLASS object_class, std::string_view label);
    // Those whose label begins so, in the order of their handles.
    std::vector<CK_OBJECT_HANDLE> find_data(std::string_view label_begin);
    std::string label_of(CK_OBJECT_HANDLE object);
    void set_label(CK_OBJECT_HANDLE object, std::string_view label);
    // The CKR of C_GetAttributeValue for CKA_VALUE, and the value where there is one.
    CK_RV read_value(CK_OBJECT_HANDLE object, Bytes& value);
    void add_data(std::string_view label, const Bytes& value);
    bool add_public_data(std::string_view label);  // which nobody need log in for, where the module says so
    void add_secret_key(std::string_view label);
    void destroy(CK_OBJECT_HANDLE object);

private:
    CK_SESSION_HANDLE session();
    std::vector<CK_OBJECT_HANDLE> find(pkcs11::Template wanted);
    CK_RV read(CK_OBJECT_HANDLE object, CK_ATTRIBUTE_TYPE type, Bytes& value);

    CK_FUNCTION_LIST* functions_{nullptr};
    CK_SLOT_ID slot_{0};
    CK_SESSION_HANDLE session_{0};
    bool initialised_here_{false};
};

}  // namespace hwvault::hardware::testing
