// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What `hwvaultd recover` takes and prints: the keys out of their files, and what came of it in sentences.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <utility>

#include "daemon/service/recovery.h"

namespace hwvault {

struct RecoveryFiles {
    std::filesystem::path from;             // the store of the lost device
    std::filesystem::path recovery_key;     // private, mode 0600
    std::filesystem::path signing_key;      // public, of the lost device
    std::filesystem::path passphrase_file;  // mode 0600; empty: asked for at the terminal when it is needed
};

// A store that this process can read and not write, copied to a folder where it can: SQLite writes beside a store that it reads.
// Gone when this goes; what a process leaves that is killed meanwhile is removed by the next.
class ReadableStore {
public:
    // `from` itself, where that and its folder can be written. Else kInvalidArgument for what is no regular file, and for a
    // store whose log is another user's.
    static Result<ReadableStore> make(const std::filesystem::path& from, const std::filesystem::path& folder);
    // Before make(), and at each start: a copy in this folder that nobody uses any more.
    static void remove_left(const std::filesystem::path& folder);
    ReadableStore(ReadableStore&& other) noexcept : file_(std::move(other.file_)), is_copy_(std::exchange(other.is_copy_, false)) {}
    ReadableStore& operator=(ReadableStore&&) = delete;
    ~ReadableStore();

    [[nodiscard]] const std::filesystem::path& file() const { return file_; }

private:
    ReadableStore(std::filesystem::path file, bool is_copy) : file_(std::move(file)), is_copy_(is_copy) {}

    std::filesystem::path file_;
    bool is_copy_;
};

// All that a recovery takes of files that may be root's alone.
struct LostVault {
    service::RecoveryOrder order;
    ReadableStore store;  // where order.from is
};
// kNotFound, or kInvalidArgument, naming the file and what is wrong with it.
Result<LostVault> read_lost_vault(const RecoveryFiles& files, const std::filesystem::path& state);

std::string report(const service::Accepted& accepted);
// `administered_by`: what is typed before `recover`.
std::string report(const service::Recovered& recovered, const std::string& administered_by);
std::string report(const service::NewRecipient& changed);
// What is said of the device's public signing key, in sentences.
std::string_view keep_this();

}  // namespace hwvault
