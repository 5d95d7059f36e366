// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The look at a -wal: any bytes are either passed or found, and nothing else happens.
#include <cstdlib>
#include <string>

#include <sys/mman.h>
#include <unistd.h>

#include "daemon/store/wal.h"
#include "os/fd.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace hwvault;
    const os::Fd wal{::memfd_create("wal", MFD_CLOEXEC)};
    if (!wal || ::write(wal.get(), data, size) != static_cast<ssize_t>(size)) return 0;
    const auto checked = store::check_wal("/proc/self/fd/" + std::to_string(wal.get()));
    if (!checked && checked.error().code != ErrorCode::kStoreTampered) std::abort();
    return 0;
}
