// SPDX-License-Identifier: LGPL-2.1-or-later
//
// A call of org.hwvault.Vault, put together and turned into its bytes. What is empty or zero is left out: on the
// wire that means the same. Built in locked memory throughout, as some calls carry a secret. Pure.
#pragma once

#include <string_view>

#include <boost/json/object.hpp>

#include "foundation/bytes.h"
#include "foundation/secret.h"
#include "libclient/failure.h"
#include "libclient/values.h"

namespace hwvault::libclient {

class Request {
public:
    // `method` without its interface: "Retrieve".
    explicit Request(std::string_view method);

    Request& text(std::string_view key, std::string_view value);
    Request& number(std::string_view key, std::uint64_t value);
    Request& target(const Target& target);  // account and name
    Request& options(const Options& options);
    // `key` and, where the bytes need it, `base64`.
    Request& secret(std::string_view key, BytesView bytes);

    // The message with its NUL. With `more` the vault may answer many times. InvalidArgument when it would be larger
    // than a message may be, or has a number that the wire cannot carry.
    [[nodiscard]] Answer<SecretBytes> message(bool more = false) const;

private:
    std::string_view method_;
    boost::json::object parameters_;
    bool number_too_large_{false};
};

}  // namespace hwvault::libclient
