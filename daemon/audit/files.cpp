// SPDX-License-Identifier: LGPL-2.1-or-later
#include "daemon/audit/files.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <ctime>
#include <optional>
#include <ranges>
#include <system_error>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/audit/entry.h"
#include "os/fd.h"
#include "os/file.h"

namespace hwvault::audit {
namespace {

using std::filesystem::path;

constexpr mode_t kFileMode = 0640;
constexpr unsigned kFolderMode = 0750;
constexpr std::string_view kPrefix = "audit-";
constexpr std::string_view kRotated = ".jsonl";
constexpr std::string_view kSetAside = ".set-aside";

Error not_as_left(std::string_view what) {
    return {ErrorCode::kStoreTampered, std::string(what)};
}

constexpr std::size_t kTimeSize = 16;  // "20261126T195050Z"

std::string utc_text(std::time_t time) {
    std::tm parts{};
    ::gmtime_r(&time, &parts);
    std::array<char, 32> text{};
    std::strftime(text.data(), text.size(), "%Y%m%dT%H%M%SZ", &parts);
    return text.data();
}

std::string padded(std::uint64_t number) {
    std::array<char, 24> text{};
    std::snprintf(text.data(), text.size(), "%012llu", static_cast<unsigned long long>(number));
    return text.data();
}

// Gives `file` a name that nothing has: "audit-TIME-FIRST", and where that is taken "_2", which sorts behind it.
Result<path> put_away(const path& file, const std::string& name, std::string_view ending) {
    for (int number = 1;; ++number) {
        const std::string more = number == 1 ? "" : "_" + std::to_string(number);
        const path target = file.parent_path() / std::string(kPrefix).append(name).append(more).append(ending);
        if (::renameat2(AT_FDCWD, file.c_str(), AT_FDCWD, target.c_str(), RENAME_NOREPLACE) == 0) return target;
        if (errno != EEXIST) return errno_error("rename " + file.string(), errno);
    }
}

Result<std::string> read_part(const os::Fd& file, std::size_t size, std::uint64_t from) {
    std::string text(size, '\0');
    std::size_t done = 0;
    while (done < size) {
        const ssize_t count = ::pread(file.get(), text.data() + done, size - done, static_cast<off_t>(from + done));
        if (count < 0 && errno == EINTR) continue;
        if (count < 0) return errno_error("read of the audit file", errno);
        if (count == 0) break;
        done += static_cast<std::size_t>(count);
    }
    text.resize(done);
    return text;
}

// The time of the latest event among them; 0 where they are checkpoints alone.
vault::UnixTime latest_time(std::span<const vault::EventLink> links) {
    for (const vault::EventLink& link : std::views::reverse(links)) {
        const auto entry = decode(link.body);
        const auto* const event = entry ? std::get_if<vault::Event>(&*entry) : nullptr;
        if (event != nullptr) return event->time;
    }
    return 0;
}

// The current file, open and at its end.
struct Current {
    os::Fd file;
    std::uint64_t size{0};   // bytes that were written whole
    std::uint64_t first{0};  // number of its first entry
    Position end;
    vault::UnixTime time{0};  // of its latest event; 0 where that is not known

    // TIME-FIRST, with a time that is not before `earliest`.
    [[nodiscard]] std::string name(const std::string& earliest = "") const {
        const std::time_t known = time == 0 ? std::time(nullptr) : static_cast<std::time_t>(time);
        return std::max(utc_text(known), earliest) + "-" + padded(first);
    }
};

// What a file's tail ends with. Lines that are none are no links.
std::vector<vault::EventLink> links_at_end(std::string_view tail) {
    std::vector<vault::EventLink> links;
    while (!tail.empty()) {
        const std::string_view text = tail.substr(0, tail.find('\n'));
        const auto line = parse_line(text);
        if (const auto* const link = line ? std::get_if<vault::EventLink>(&*line) : nullptr) links.push_back(*link);
        tail.remove_prefix(std::min(tail.size(), text.size() + 1));
    }
    return links;
}

// kNotFound when there is none. Neither blocked by a FIFO, nor led elsewhere by a link.
Result<Current> open_current(const path& file, int flags) {
    Current found{os::Fd{::open(file.c_str(), flags | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC)}, 0, 0, {}, 0};
    if (!found.file) {
        if (errno == ELOOP || errno == EISDIR) return not_as_left("It is no file.");
        return errno_error("open " + file.string(), errno, errno == ENOENT ? ErrorCode::kNotFound : ErrorCode::kInternal);
    }
    struct stat status {};
    if (::fstat(found.file.get(), &status) != 0) return errno_error("stat " + file.string(), errno);
    if (!S_ISREG(status.st_mode)) return not_as_left("It is no regular file.");
    found.size = static_cast<std::uint64_t>(status.st_size);
    return found;
}

class Files final : public Sink {
public:
    Files(path folder, std::uint64_t rotate_at)
        : folder_(std::move(folder)), file_(folder_ / kCurrentFile), rotate_at_(rotate_at) {}

    Result<std::optional<Position>> end(const vault::Id& vault) override;
    std::optional<Position> end_of_full(const vault::Id& vault) override;
    Result<void> set_aside_full(const vault::Id& vault) override;
    Result<void> retire() override;
    Result<std::string> begin(const vault::Id& vault, const Position& follows) override;
    Result<void> append(std::span<const vault::EventLink> links) override;

private:
    // kNotFound when there is none.
    Result<path> newest_of_full() const;
    // That one, of this vault, read.
    Result<std::pair<path, Current>> newest_full() const;
    Result<void> read_start(Current& current) const;
    Result<void> read_end(Current& current) const;
    // Gives the current file its name as a full one, behind all others: the name of one without an event, of which no time is
    // known, has the clock's, and that of the one behind it, with an event from before, must not sort in front.
    Result<void> put_among_full();
    Result<void> make(const Position& follows);
    // kStoreTampered unless the file of this name is still the one that is open, and as long.
    Result<void> check_untouched() const;
    Result<void> write(std::string_view text);

    path folder_;
    path file_;
    std::uint64_t rotate_at_;
    vault::Id vault_{};
    std::optional<Current> current_;
};

Result<std::optional<Position>> Files::end(const vault::Id& vault) {
    vault_ = vault;
    current_.reset();
    auto opened = open_current(file_, O_RDWR | O_APPEND);
    if (!opened && opened.error().code == ErrorCode::kNotFound) return std::optional<Position>{};
    HWVAULT_TRY(Current found, std::move(opened));
    HWVAULT_CHECK(read_start(found));
    HWVAULT_CHECK(read_end(found));
    current_ = std::move(found);
    return std::optional{current_->end};
}

Result<std::pair<path, Current>> Files::newest_full() const {
    HWVAULT_TRY(path newest, newest_of_full());
    HWVAULT_TRY(Current found, open_current(newest, O_RDONLY));
    HWVAULT_CHECK(read_start(found));
    HWVAULT_CHECK(read_end(found));
    return std::pair{std::move(newest), std::move(found)};
}

Result<path> Files::newest_of_full() const {
    HWVAULT_TRY(const std::vector<path> files, files_in(folder_));
    const auto newest = std::ranges::find_if(files.rbegin(), files.rend(), [this](const path& file) { return file != file_; });
    if (newest == files.rend()) return Error{ErrorCode::kNotFound, "There is no full audit file in " + folder_.string() + "."};
    return *newest;
}

std::optional<Position> Files::end_of_full(const vault::Id& vault) {
    vault_ = vault;
    const auto newest = newest_full();
    return newest ? std::optional(newest->second.end) : std::nullopt;
}

Result<void> Files::set_aside_full(const vault::Id& vault) {
    vault_ = vault;
    HWVAULT_TRY(const auto newest, newest_full());
    HWVAULT_CHECK(put_away(newest.first, newest.second.name(), kSetAside));
    return {};
}

Result<void> Files::read_start(Current& current) const {
    HWVAULT_TRY(const std::string text, read_part(current.file, std::min<std::uint64_t>(current.size, kMaxLineSize), 0));
    const auto line = parse_line(std::string_view(text).substr(0, text.find('\n')));
    const FileStart* const start = line ? std::get_if<FileStart>(&*line) : nullptr;
    if (start == nullptr) return not_as_left("Its first line does not say where it begins.");
    if (start->vault != vault_) return not_as_left("It is the trail of another vault.");
    current.first = start->follows.sequence + 1;
    current.end = start->follows;
    return {};
}

// A last line without its end was being written when the power went: nobody was told that it is there.
Result<void> Files::read_end(Current& current) const {
    const std::uint64_t from = current.size - std::min<std::uint64_t>(current.size, 2 * kMaxLineSize);
    HWVAULT_TRY(const std::string tail, read_part(current.file, current.size - from, from));
    const std::size_t end = tail.rfind('\n');
    if (end == std::string::npos) return not_as_left("It has no line that ends.");
    if (end + 1 < tail.size()) {
        current.size = from + end + 1;
        if (::ftruncate(current.file.get(), static_cast<off_t>(current.size)) != 0) {
            return errno_error("truncate " + file_.string(), errno);
        }
    }
    const std::size_t before = end == 0 ? std::string::npos : tail.rfind('\n', end - 1);
    if (before == std::string::npos && from == 0) return {};  // its first line alone
    const auto line = parse_line(std::string_view(tail).substr(before + 1, end - before - 1));
    const vault::EventLink* const link = line ? std::get_if<vault::EventLink>(&*line) : nullptr;
    if (link == nullptr) return not_as_left("Its last line is no entry of a trail.");
    current.end = {link->sequence, link->hash};
    current.time = latest_time(links_at_end(std::string_view(tail).substr(0, end + 1)));
    return {};
}

Result<void> Files::retire() {
    HWVAULT_CHECK(check_untouched());
    return put_among_full();
}

Result<void> Files::put_among_full() {
    const auto newest = newest_of_full();
    const std::string earliest = newest ? newest->filename().string().substr(kPrefix.size(), kTimeSize) : "";
    HWVAULT_CHECK(put_away(file_, current_->name(earliest), kRotated));
    current_.reset();
    return {};
}

Result<std::string> Files::begin(const vault::Id& vault, const Position& follows) {
    vault_ = vault;
    const std::string name = current_ ? current_->name() : Current{}.name();
    current_.reset();
    std::string aside;
    struct stat status {};
    if (::lstat(file_.c_str(), &status) == 0) {
        HWVAULT_TRY(const path put, put_away(file_, name, kSetAside));
        aside = put.string();
    }
    HWVAULT_CHECK(make(follows));
    return aside;
}

// With its first line before it has its name: nobody finds one that does not say where it begins.
Result<void> Files::make(const Position& follows) {
    HWVAULT_CHECK(os::make_folder(folder_, kFolderMode));
    const path unnamed = file_.string() + ".new";
    ::unlink(unnamed.c_str());
    Current made{os::Fd{::open(unnamed.c_str(), O_RDWR | O_APPEND | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, kFileMode)}, 0,
                 follows.sequence + 1, follows, 0};
    if (!made.file) return errno_error("create " + unnamed.string(), errno);
    current_ = std::move(made);
    HWVAULT_CHECK(write(to_line(FileStart{vault_, follows}) + "\n"));
    if (::renameat2(AT_FDCWD, unnamed.c_str(), AT_FDCWD, file_.c_str(), RENAME_NOREPLACE) != 0) {
        const int failure = errno;
        current_.reset();
        return errno_error("rename to " + file_.string(), failure);
    }
    return os::sync_folder(folder_);
}

Result<void> Files::append(std::span<const vault::EventLink> links) {
    if (links.empty()) return {};
    HWVAULT_CHECK(check_untouched());
    std::string text;
    for (const vault::EventLink& link : links) {
        text += to_line(link);
        text += '\n';
    }
    HWVAULT_CHECK(write(text));
    current_->end = {links.back().sequence, links.back().hash};
    current_->time = std::max(current_->time, latest_time(links));
    if (current_->size < rotate_at_) return {};
    const Position follows = current_->end;
    HWVAULT_CHECK(put_among_full());
    return make(follows);
}

Result<void> Files::check_untouched() const {
    if (!current_) return Error{ErrorCode::kInternal, "The audit file is not open."};
    struct stat opened {};
    struct stat named {};
    if (::fstat(current_->file.get(), &opened) != 0) return errno_error("stat " + file_.string(), errno);
    if (::lstat(file_.c_str(), &named) != 0) {
        if (errno == ENOENT) return not_as_left("It was deleted or moved away.");
        return errno_error("stat " + file_.string(), errno);
    }
    if (named.st_dev != opened.st_dev || named.st_ino != opened.st_ino) return not_as_left("Another file was put in its place.");
    const auto size = static_cast<std::uint64_t>(opened.st_size);
    if (size < current_->size) return not_as_left("It was cut.");
    if (size > current_->size) return not_as_left("Somebody else wrote into it.");
    return {};
}

// Whole, or not at all: what a full disk took of it is cut off again.
Result<void> Files::write(std::string_view text) {
    Result<void> written = os::write_all(current_->file, bytes_of(text), file_);
    if (written && ::fdatasync(current_->file.get()) != 0) written = errno_error("sync " + file_.string(), errno);
    if (written) {
        current_->size += text.size();
        return {};
    }
    if (::ftruncate(current_->file.get(), static_cast<off_t>(current_->size)) != 0) current_.reset();
    return written;
}

}  // namespace

std::unique_ptr<Sink> make_files(path folder, std::uint64_t rotate_at) {
    return std::make_unique<Files>(std::move(folder), rotate_at);
}

Result<std::vector<path>> files_in(const path& folder) {
    std::vector<path> files;
    std::error_code failure;
    for (std::filesystem::directory_iterator entry(folder, failure), end; !failure && entry != end; entry.increment(failure)) {
        const std::string name = entry->path().filename().string();
        if (name.starts_with(kPrefix) && name.ends_with(kRotated)) files.push_back(entry->path());
    }
    if (failure) {
        const bool denied = failure == std::errc::permission_denied;
        return Error{denied ? ErrorCode::kAccessDenied : ErrorCode::kNotFound,
                     "The folder " + folder.string() + " cannot be read: " + failure.message() + "."};
    }
    std::ranges::sort(files);
    const path current = folder / kCurrentFile;
    if (std::filesystem::exists(current, failure)) files.push_back(current);
    if (files.empty()) return Error{ErrorCode::kNotFound, "There are no audit files in " + folder.string() + "."};
    return files;
}

}  // namespace hwvault::audit
