// SPDX-License-Identifier: LGPL-2.1-or-later
#include "crypto/handles.h"

#include <string>

#include <openssl/err.h>

namespace hwvault::crypto {

Error openssl_error(std::string_view call) {
    const unsigned long first = ERR_get_error();
    const char* reason = first == 0 ? nullptr : ERR_reason_error_string(first);
    ERR_clear_error();
    return {ErrorCode::kInternal, std::string(call) + " failed in OpenSSL: " + (reason ? reason : "no reason given")};
}

}  // namespace hwvault::crypto
