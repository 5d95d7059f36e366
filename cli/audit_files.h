// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Audit files, read line by line, one after the other: for `audit verify` and `audit show`. A line that is longer than
// any that hwvaultd writes takes no more memory than such a one.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cli/door.h"
#include "cli/session.h"
#include "os/fd.h"

namespace hwvault::cli {

// A file of the folder, which is hwvaultd's and may have been taken over: neither a pipe, which would hold the one who opens
// it, nor a link to elsewhere. An empty descriptor, and errno, where it cannot be opened or is no file (EINVAL).
os::Fd open_in_folder(const std::filesystem::path& file);

class AuditFiles {
public:
    // All are opened at once, so that one that is renamed meanwhile is still read. NotFound or AccessDenied, naming the file.
    // Whatever they are: who names them knows.
    static Answer<AuditFiles> open(const std::vector<std::filesystem::path>& paths);
    // Those of a folder, in the order of the trail; nothing but files.
    static Answer<AuditFiles> open_folder(const std::filesystem::path& folder);
    // The latest `count` of them.
    static Answer<AuditFiles> open_latest(const std::filesystem::path& folder, std::size_t count);

    // The next line without its newline, valid until the next call; nullopt after the last. One that is too long is cut,
    // but stays longer than audit::kMaxLineSize.
    Answer<std::optional<std::string_view>> next();

    // Of the line that was given last; the last file, and no line, after the last one.
    [[nodiscard]] const std::filesystem::path& file() const { return files_[std::min(current_, files_.size() - 1)].path; }
    [[nodiscard]] std::uint64_t line() const { return line_; }  // from 1
    // Whether the last file ended in a line without its newline, which was not given: it is being written, or a crash left it.
    [[nodiscard]] bool is_unfinished() const { return unfinished_; }
    [[nodiscard]] unsigned percent_read() const;
    // Files of the folder that hwvaultd found changed and set aside, which are not read: by name.
    [[nodiscard]] const std::vector<std::string>& set_aside() const { return set_aside_; }

private:
    struct File {
        std::filesystem::path path;
        std::ifstream stream;
    };

    AuditFiles();
    static Answer<AuditFiles> open_in(const std::vector<std::filesystem::path>& paths);
    Answer<void> add(const std::filesystem::path& path, const std::filesystem::path& opened);

    std::vector<File> files_;
    std::size_t current_{0};
    std::uint64_t line_{0};  // in the current file
    std::uint64_t size_{0};  // of all, when they were opened
    std::uint64_t read_{0};
    std::vector<char> buffer_;
    bool unfinished_{false};
    std::vector<std::string> set_aside_;
};

// Those that were named, else those of [audit] folder in the configuration.
Answer<AuditFiles> open_audit_files(const std::vector<std::string>& named, const Settings& settings);

}  // namespace hwvault::cli
