// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Which generation of a token each unit was last given, from the audit files: hwvaultd writes there, within a moment, that a
// unit has been handed one. Nothing is verified here; `audit verify` does that.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <tuple>

#include "cli/door.h"
#include "os/fd.h"

namespace hwvault::cli {

// What a unit was handed last.
struct Handover {
    std::uint64_t generation{0};  // 0 where none was seen
    std::string id;               // of that generation: a token that was deleted and made again has its numbers again, and other ids
};

// Unit, account and name -> the latest handover.
class Handovers {
public:
    // A line of an audit file; one that tells of no handover is passed over.
    void take(std::string_view line);
    [[nodiscard]] Handover latest(const std::string& unit, const std::string& account, const std::string& name) const;

private:
    std::map<std::tuple<std::string, std::string, std::string>, Handover> latest_;
};

// From the latest two files, at least one of which is a full one where there are more.
Answer<Handovers> handovers_in(const std::filesystem::path& folder);

// Follows the file that hwvaultd writes, from where it ends now, into the one that comes after it.
class AuditFollower {
public:
    // NotFound where there is no folder, AccessDenied.
    static Answer<AuditFollower> at_end(const std::filesystem::path& folder);
    // Gives each line that has been finished since. Does not wait.
    Answer<void> read(Handovers& handovers);

private:
    explicit AuditFollower(std::filesystem::path file) : file_(std::move(file)) {}
    Answer<void> read_rest(Handovers& handovers);
    [[nodiscard]] bool is_another_now() const;

    std::filesystem::path file_;
    os::Fd open_;  // none where there is no file yet
    std::string unfinished_;
};

}  // namespace hwvault::cli
