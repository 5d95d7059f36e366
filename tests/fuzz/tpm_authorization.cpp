// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The file of a TPM's authorization values: what is read is written back as it was, so that nothing else reads the same.
#include <cstdlib>

#include "daemon/hardware/tpm/authorizations.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace hwvault;
    using namespace hwvault::hardware::tpm;
    const SecretBytes bytes = SecretBytes::copy_of({data, size});
    const auto file = decode_authorizations(bytes);
    if (file && !equal_in_constant_time(encode(*file).reveal(), bytes.reveal())) std::abort();
    return 0;
}
