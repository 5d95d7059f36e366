// SPDX-License-Identifier: LGPL-2.1-or-later
#include "daemon/store/reserve.h"

#include <string>
#include <system_error>

#include "os/file.h"

namespace hwvault::store {
namespace {

bool is_whole(const std::filesystem::path& part) {
    std::error_code failure;
    return std::filesystem::file_size(part, failure) == Reserve::kPartSize && !failure;
}

bool has_enough(const std::filesystem::path& folder) {
    std::error_code failure;
    const auto space = std::filesystem::space(folder, failure);
    return !failure && space.available >= Reserve::kEnough;
}

}  // namespace

Reserve::Reserve(const std::filesystem::path& file)
    : parts_{{{file.string() + ".reserve"}, {file.string() + ".reserve-revocations"}}} {
    for (Part& part : parts_) part.kept = is_whole(part.file);
}

void Reserve::keep() {
    for (Part& part : parts_) {
        if (part.kept || !has_enough(part.file.parent_path())) continue;
        part.kept = os::allocate_file(part.file, kPartSize, 0600).has_value();
        std::error_code ignored;
        if (!part.kept) std::filesystem::remove(part.file, ignored);
    }
}

bool Reserve::give_up(bool urgent) {
    for (Part& part : parts_) {
        const bool for_revocations = &part == &parts_[1];
        if (!part.kept || (for_revocations && !urgent)) continue;
        part.kept = false;
        std::error_code failure;
        if (std::filesystem::remove(part.file, failure) && !failure) return true;
    }
    return false;
}

}  // namespace hwvault::store
