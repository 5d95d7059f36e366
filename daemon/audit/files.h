// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The trail in files, for people and for whatever collects logs: FOLDER/audit.jsonl, which grows, and those before it.
//
// Each append is one write(2) and one fdatasync(2). A file of kRotateAt bytes is renamed to audit-TIME-FIRST.jsonl:
// the time of its last event, in UTC, or that of the file before if this were earlier, and the number of its first
// entry. The next one begins with its last hash, so that the chain goes on over all of them. A file that is not what
// hwvaultd left is renamed to audit-TIME-FIRST.set-aside, never changed or deleted. An unfinished last line, as a
// crash leaves it, is cut off. Files have mode 0640.
//
// What is looked at is a file's name, its length and its last line; that one was edited in its middle is for the verifier.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "daemon/audit/sink.h"

namespace hwvault::audit {

constexpr const char* kCurrentFile = "audit.jsonl";
constexpr std::uint64_t kRotateAt = 64 << 20;  // bytes

// `folder` is made, mode 0750, when it is first needed, if its parent is there. `rotate_at` in bytes.
std::unique_ptr<Sink> make_files(std::filesystem::path folder, std::uint64_t rotate_at = kRotateAt);

// The files of a folder in the order of the trail, the current one last. Those that were set aside are not among them.
// kNotFound when there is none.
Result<std::vector<std::filesystem::path>> files_in(const std::filesystem::path& folder);

}  // namespace hwvault::audit
