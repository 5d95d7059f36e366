// SPDX-License-Identifier: LGPL-2.1-or-later
#include "daemon/doors/varlink/workspace.h"

#include <utility>

#include "daemon/doors/varlink/message_stream.h"

namespace hwvault::doors::varlink {

std::span<std::uint8_t> Workspace::room() {
    if (output_.size() - written_ < kMaxQueuedBytes) send_all();
    return output_.reveal_to_fill().subspan(written_);
}

void Workspace::add(MessageStream& stream, std::size_t size) {
    gathered_.push_back({&stream, written_, size});
    written_ += size;
}

// Whatever happens to one client, its replies do not stay for another to get them.
void Workspace::send_all() noexcept {
    if (gathered_.empty()) return;
    std::swap(gathered_, sending_);
    const std::span<std::uint8_t> replies = output_.reveal_to_fill().first(written_);
    for (const auto& [stream, begin, size] : sending_) stream->send_now(replies.subspan(begin, size));
    sending_.clear();
    wipe(replies.data(), replies.size());
    written_ = 0;
}

}  // namespace hwvault::doors::varlink
