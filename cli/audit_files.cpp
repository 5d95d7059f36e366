// SPDX-License-Identifier: LGPL-2.1-or-later
#include "cli/audit_files.h"

#include <algorithm>
#include <cerrno>
#include <limits>
#include <system_error>
#include <utility>

#include <fcntl.h>
#include <sys/stat.h>

#include "cli/configuration.h"
#include "daemon/audit/files.h"
#include "daemon/audit/line.h"

namespace hwvault::cli {
namespace {

using std::filesystem::path;

Failure unreadable(const path& file, int error_number) {
    if (error_number == EINVAL || error_number == ELOOP) {
        return {HWVAULT_ERROR_NOT_FOUND, file.string() + " is no file, and hwvaultd makes nothing else. Find out who did, and remove it."};
    }
    const int code = error_number == EACCES ? HWVAULT_ERROR_ACCESS_DENIED : HWVAULT_ERROR_NOT_FOUND;
    const std::string next = error_number == EACCES ? " Ask as root, or as a member of the group that it belongs to." : "";
    return {code, file.string() + " cannot be read: " + std::generic_category().message(error_number) + "." + next};
}

Answer<std::vector<path>> files_in(const path& folder) {
    std::error_code failure;
    static_cast<void>(std::filesystem::directory_iterator(folder, failure));
    if (failure == std::errc::permission_denied) return unreadable(folder, EACCES);
    HWVAULT_TRY(auto files, audit::files_in(folder));
    return files;
}

std::vector<std::string> set_aside_in(const path& folder) {
    std::vector<std::string> names;
    std::error_code failure;
    for (std::filesystem::directory_iterator entry(folder, failure), end; !failure && entry != end; entry.increment(failure)) {
        if (entry->path().extension() == ".set-aside") names.push_back(entry->path().filename().string());
    }
    std::ranges::sort(names);
    return names;
}

}  // namespace

os::Fd open_in_folder(const path& file) {
    os::Fd opened(::open(file.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
    struct stat kind {};
    if (opened && (::fstat(opened.get(), &kind) != 0 || !S_ISREG(kind.st_mode))) {
        errno = EINVAL;
        return os::Fd();
    }
    return opened;
}

AuditFiles::AuditFiles() : buffer_(audit::kMaxLineSize + 2) {}  // with the newline, or a NUL in its place

Answer<void> AuditFiles::add(const path& path, const std::filesystem::path& opened) {
    std::error_code failure;
    if (std::filesystem::is_directory(opened, failure)) return unreadable(path, EISDIR);
    errno = 0;
    std::ifstream stream(opened, std::ios::binary);
    if (!stream) return unreadable(path, errno);
    const std::uintmax_t size = std::filesystem::file_size(opened, failure);
    if (!failure) size_ += size;
    files_.push_back({path, std::move(stream)});
    return {};
}

Answer<AuditFiles> AuditFiles::open(const std::vector<path>& paths) {
    AuditFiles files;
    for (const path& path : paths) HWVAULT_CHECK(files.add(path, path));
    return files;
}

Answer<AuditFiles> AuditFiles::open_in(const std::vector<path>& paths) {
    AuditFiles files;
    for (const path& path : paths) {
        const os::Fd file = open_in_folder(path);
        if (!file) return unreadable(path, errno);
        HWVAULT_CHECK(files.add(path, "/proc/self/fd/" + std::to_string(file.get())));
    }
    return files;
}

Answer<AuditFiles> AuditFiles::open_folder(const path& folder) {
    HWVAULT_TRY(const std::vector<path> paths, files_in(folder));
    HWVAULT_TRY(AuditFiles files, open_in(paths));
    files.set_aside_ = set_aside_in(folder);
    return files;
}

Answer<AuditFiles> AuditFiles::open_latest(const path& folder, std::size_t count) {
    HWVAULT_TRY(std::vector<path> paths, files_in(folder));
    if (paths.size() > count) paths.erase(paths.begin(), paths.end() - static_cast<std::ptrdiff_t>(count));
    return open_in(paths);
}

Answer<std::optional<std::string_view>> AuditFiles::next() {
    for (; current_ < files_.size(); ++current_, line_ = 0) {
        std::ifstream& stream = files_[current_].stream;
        stream.getline(buffer_.data(), static_cast<std::streamsize>(buffer_.size()));
        const auto got = static_cast<std::size_t>(stream.gcount());
        read_ += got;
        if (stream.bad()) return unreadable(files_[current_].path, EIO);
        if (got == 0) continue;
        if (stream.eof() && current_ + 1 == files_.size()) {
            unfinished_ = true;
            continue;
        }
        ++line_;
        if (!stream.fail()) return std::string_view(buffer_.data(), stream.eof() ? got : got - 1);
        stream.clear();
        stream.ignore(std::numeric_limits<std::streamsize>::max(), '\n');
        read_ += static_cast<std::uint64_t>(stream.gcount());
        return std::string_view(buffer_.data(), got);
    }
    return std::optional<std::string_view>();
}

unsigned AuditFiles::percent_read() const {
    constexpr std::uint64_t kAll = 100;
    return size_ == 0 ? 0 : static_cast<unsigned>(std::min(kAll, read_ * kAll / size_));
}

Answer<AuditFiles> open_audit_files(const std::vector<std::string>& named, const Settings& settings) {
    if (!named.empty()) return AuditFiles::open({named.begin(), named.end()});
    HWVAULT_TRY(const Configuration configuration, read_configuration_if_any(settings));
    return AuditFiles::open_folder(configuration.audit_folder);
}

}  // namespace hwvault::cli
