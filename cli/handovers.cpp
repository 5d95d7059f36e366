// SPDX-License-Identifier: LGPL-2.1-or-later
#include "cli/handovers.h"

#include <array>
#include <cerrno>
#include <system_error>
#include <utility>
#include <variant>
#include <vector>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/audit_files.h"
#include "daemon/audit/entry.h"
#include "daemon/audit/files.h"
#include "daemon/audit/line.h"

namespace hwvault::cli {
namespace {

constexpr std::size_t kFilesReadBack = 2;

Failure cannot_follow(const std::filesystem::path& file, int error_number) {
    const int code = error_number == EACCES ? HWVAULT_ERROR_ACCESS_DENIED : HWVAULT_ERROR_NOT_FOUND;
    return {code, file.string() + " cannot be read, so nobody could say which unit has what: " +
                      std::generic_category().message(error_number) + "."};
}

}  // namespace

void Handovers::take(std::string_view line) {
    const auto parsed = audit::parse_line(line);
    const auto* const link = parsed ? std::get_if<vault::EventLink>(&*parsed) : nullptr;
    const auto entry = link != nullptr ? audit::decode(link->body) : std::nullopt;
    const auto* const event = entry ? std::get_if<vault::Event>(&*entry) : nullptr;
    if (event == nullptr || event->verb != vault::Verb::kRetrieve || event->actor.unit.empty()) return;
    latest_[{event->actor.unit, event->account, event->name}] = {event->generation, event->token_id};
}

Handover Handovers::latest(const std::string& unit, const std::string& account, const std::string& name) const {
    const auto found = latest_.find({unit, account, name});
    return found == latest_.end() ? Handover{} : found->second;
}

Answer<Handovers> handovers_in(const std::filesystem::path& folder) {
    HWVAULT_TRY(AuditFiles latest, AuditFiles::open_latest(folder, kFilesReadBack));
    Handovers handovers;
    for (;;) {
        HWVAULT_TRY(const auto line, latest.next());
        if (!line) return handovers;
        handovers.take(*line);
    }
}

Answer<AuditFollower> AuditFollower::at_end(const std::filesystem::path& folder) {
    if (::access(folder.c_str(), R_OK | X_OK) != 0) return cannot_follow(folder, errno);
    AuditFollower follower(folder / audit::kCurrentFile);
    follower.open_ = open_in_folder(follower.file_);
    if (!follower.open_ && errno != ENOENT) return cannot_follow(follower.file_, errno);
    // Amid a line that is being written: what is left of it is no line, and is passed over.
    if (follower.open_) ::lseek(follower.open_.get(), 0, SEEK_END);
    return follower;
}

// Looked before it reads: a file that has another after it does not grow any more.
Answer<void> AuditFollower::read(Handovers& handovers) {
    for (;;) {
        const bool ended = is_another_now();
        if (open_) HWVAULT_CHECK(read_rest(handovers));
        if (!ended) return {};
        open_ = open_in_folder(file_);
        if (!open_) return cannot_follow(file_, errno);
        unfinished_.clear();
    }
}

Answer<void> AuditFollower::read_rest(Handovers& handovers) {
    std::array<char, 1 << 16> chunk;
    for (;;) {
        const ssize_t got = ::read(open_.get(), chunk.data(), chunk.size());
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return cannot_follow(file_, errno);
        if (got == 0) return {};
        unfinished_.append(chunk.data(), static_cast<std::size_t>(got));
        std::size_t from = 0;
        for (std::size_t end; (end = unfinished_.find('\n', from)) != std::string::npos; from = end + 1) {
            handovers.take(std::string_view(unfinished_).substr(from, end - from));
        }
        unfinished_.erase(0, from);
        if (unfinished_.size() > audit::kMaxLineSize) unfinished_.clear();  // no line of hwvaultd's
    }
}

bool AuditFollower::is_another_now() const {
    struct stat named {};
    if (::stat(file_.c_str(), &named) != 0) return false;
    struct stat held {};
    return !open_ || ::fstat(open_.get(), &held) != 0 || held.st_ino != named.st_ino || held.st_dev != named.st_dev;
}

}  // namespace hwvault::cli
