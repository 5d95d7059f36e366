// SPDX-License-Identifier: LGPL-2.1-or-later
#include "daemon/hardware/child/checkpoint_ledger.h"

#include <string>

#include "foundation/fields.h"
#include "os/file.h"

namespace hwvault::hardware::child {
namespace {

constexpr std::string_view kLedgerMark = "hwvault/last-checkpoint/1";
constexpr std::size_t kMaxLedgerSize = 256;
constexpr unsigned kLedgerMode = 0600;

}  // namespace

Result<void> CheckpointLedger::claim(std::uint64_t sequence) {
    const std::lock_guard lock(mutex_);
    HWVAULT_TRY(const std::uint64_t previous, last());
    if (sequence <= previous) {
        return Error{ErrorCode::kInvalidArgument, "Checkpoint " + std::to_string(sequence) +
                                                      " is not signed: the last one was " + std::to_string(previous) +
                                                      ", and the sequence must grow."};
    }
    return os::write_file_durably(file_, FieldWriter().text(kLedgerMark).number(sequence).view(), kLedgerMode);
}

Result<std::uint64_t> CheckpointLedger::last() const {
    const auto content = os::read_file(file_, kMaxLedgerSize);
    if (!content && content.error().code == ErrorCode::kNotFound) return std::uint64_t{0};
    if (!content) return content.error();
    FieldReader reader(*content);
    const auto mark = reader.text();
    const auto sequence = reader.number();
    if (mark != kLedgerMark || !sequence || !reader.finished()) {
        return Error{ErrorCode::kInternal, file_.string() +
                                               " is damaged, so no checkpoint is signed. Put it back from a backup, or"
                                               " remove it to accept any sequence once."};
    }
    return *sequence;
}

}  // namespace hwvault::hardware::child
