// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Any bytes as the vault's answer, read as each of the answers that the library knows.
#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "libclient/reply.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace hwvault::libclient;
    const auto reply = read_reply({data, size});
    if (!reply) return 0;
    const auto retrieved = read_retrieved(*reply);
    if (retrieved && (retrieved->secret.empty() || retrieved->secret.size() > kMaxSecretSize)) std::abort();
    const auto verification = read_verification(*reply);
    // What fits into hwvault_verification, whatever was sent (<hwvault/hwvault.h>).
    if (verification && (verification->info.account.size() >= 272 || verification->info.name.size() >= 72 ||
                         verification->info.id.size() >= 16 || verification->info.scopes.size() > 32)) {
        std::abort();
    }
    static_cast<void>(read_info(*reply));
    static_cast<void>(read_page(*reply));
    static_cast<void>(read_report(*reply));
    static_cast<void>(read_event(*reply));
    return 0;
}
