// SPDX-License-Identifier: LGPL-2.1-or-later
#include "daemon/audit/files.h"

#include <algorithm>
#include <system_error>

namespace hwvault::audit {
namespace {

using std::filesystem::path;

constexpr std::string_view kPrefix = "audit-";
constexpr std::string_view kRotated = ".jsonl";

}  // namespace

Result<std::vector<path>> files_in(const path& folder) {
    std::vector<path> files;
    std::error_code failure;
    for (std::filesystem::directory_iterator entry(folder, failure), end; !failure && entry != end; entry.increment(failure)) {
        const std::string name = entry->path().filename().string();
        if (name.starts_with(kPrefix) && name.ends_with(kRotated)) files.push_back(entry->path());
    }
    if (failure) return Error{ErrorCode::kNotFound, "The folder " + folder.string() + " cannot be read: " + failure.message() + "."};
    std::ranges::sort(files);
    const path current = folder / kCurrentFile;
    if (std::filesystem::exists(current, failure)) files.push_back(current);
    if (files.empty()) return Error{ErrorCode::kNotFound, "There are no audit files in " + folder.string() + "."};
    return files;
}

}  // namespace hwvault::audit
