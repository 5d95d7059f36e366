// SPDX-License-Identifier: LGPL-2.1-or-later
#include "policy/files/files.h"

#include <algorithm>
#include <system_error>

#include "foundation/bytes.h"
#include "os/file.h"
#include "policy/files/default_rules.h"
#include "policy/parser.h"

namespace hwvault::policy {
namespace {

namespace fs = std::filesystem;

// What everybody may write holds no administrator's rules.
Result<void> check_permissions(const fs::path& path, const fs::file_status& status) {
    if ((status.permissions() & fs::perms::others_write) == fs::perms::none) return {};
    return invalid_argument(path.string() + " can be written by everybody. Run `chmod o-w " + path.string() + "`.");
}

Result<std::vector<fs::path>> rule_files(const fs::path& folder) {
    std::vector<fs::path> files;
    std::error_code failure;
    const fs::file_status status = fs::status(folder, failure);
    if (status.type() == fs::file_type::directory) HWVAULT_CHECK(check_permissions(folder, status));
    for (fs::directory_iterator entry(folder, failure), end; !failure && entry != end; entry.increment(failure)) {
        if (entry->path().extension() == ".toml") files.push_back(entry->path());
    }
    if (failure && failure != std::errc::no_such_file_or_directory) {
        return errno_error("reading " + folder.string(), failure.value(), ErrorCode::kInvalidArgument);
    }
    if (files.size() > kMaxPolicyFiles) {
        return invalid_argument(folder.string() + " has " + std::to_string(files.size()) + " files of rules, and " +
                                std::to_string(kMaxPolicyFiles) + " is the most. Put several into one.");
    }
    return files;
}

Result<Source> read_source(const fs::path& file) {
    std::error_code failure;
    const fs::file_status status = fs::status(file, failure);
    if (status.type() != fs::file_type::regular) {
        return invalid_argument(file.string() + " is no regular file that can be read. Remove it, or put it right.");
    }
    HWVAULT_CHECK(check_permissions(file, status));
    HWVAULT_TRY(const Bytes text, os::read_file(file, kMaxPolicyFileSize));
    return Source{file.string(), std::string(text_of(text))};
}

}  // namespace

std::string_view default_rules() {
    return kShippedRules;
}

Result<std::vector<Source>> read_sources(const std::filesystem::path& folder) {
    HWVAULT_TRY(std::vector<fs::path> files, rule_files(folder));
    const bool is_replaced = std::ranges::any_of(files, [](const auto& file) { return file.filename() == kDefaultFile; });
    if (!is_replaced) files.emplace_back(kDefaultFile);
    std::ranges::sort(files, {}, [](const fs::path& file) { return file.filename().string(); });
    std::vector<Source> sources;
    for (const fs::path& file : files) {
        if (!is_replaced && file == kDefaultFile) {
            sources.push_back({std::string(kDefaultFile) + " (built in)", std::string(default_rules())});
            continue;
        }
        HWVAULT_TRY(Source source, read_source(file));
        sources.push_back(std::move(source));
    }
    return sources;
}

Result<Policy> read_policy(const std::filesystem::path& folder) {
    HWVAULT_TRY(const auto sources, read_sources(folder));
    return Policy::of(sources);
}

}  // namespace hwvault::policy
