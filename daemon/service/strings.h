// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The string of a token's current generation, out of the device: derived, or sealed under a key that the device derives.
// Each call ends within its own deadline of three seconds, or by what the hardware says.
#pragma once

#include <boost/asio/awaitable.hpp>

#include "daemon/hardware/hardware.h"
#include "daemon/vault/record.h"
#include "foundation/result.h"
#include "foundation/secret.h"

namespace hwvault::service {

// The vault that a token belongs to.
struct VaultName {
    vault::Id id;
    std::string prefix;
};

// An issued token's text. Its current generation has its nonce.
boost::asio::awaitable<Result<SecretBytes>> derive_string(hardware::Hardware& hardware, VaultName vault,
                                                          vault::Token token);

// `token` has a seal nonce, that of this string and no other; the result is what the store keeps, and the inverse.
// kStoreTampered when it does not open.
boost::asio::awaitable<Result<Bytes>> seal_string(hardware::Hardware& hardware, const vault::Id& vault,
                                                  const vault::Token& token, const SecretBytes& string);
boost::asio::awaitable<Result<SecretBytes>> unseal_string(hardware::Hardware& hardware, vault::Id vault,
                                                          vault::Token token, Bytes sealed);

}  // namespace hwvault::service
