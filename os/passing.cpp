// SPDX-License-Identifier: LGPL-2.1-or-later
#include "os/passing.h"

#include <algorithm>
#include <array>
#include <cstring>

#include <sys/socket.h>
#include <sys/uio.h>

namespace hwvault::os {
namespace {

// A message of one part, with room for descriptors.
struct Message {
    explicit Message(void* data, std::size_t size) : bytes{data, size} {
        header.msg_iov = &bytes;
        header.msg_iovlen = 1;
        header.msg_control = control.data();
        header.msg_controllen = control.size();
    }
    Message(const Message&) = delete;
    Message& operator=(const Message&) = delete;

    iovec bytes;
    alignas(cmsghdr) std::array<char, CMSG_SPACE(kMaxPassed * sizeof(int))> control{};
    msghdr header{};
};

}  // namespace

ssize_t send_with(int socket, BytesView bytes, std::span<const Fd> descriptors) {
    std::array<int, kMaxPassed> numbers{};
    const std::size_t count = std::min(descriptors.size(), numbers.size());
    for (std::size_t i = 0; i < count; ++i) numbers[i] = descriptors[i].get();
    Message message(const_cast<std::uint8_t*>(bytes.data()), bytes.size());  // sendmsg(2) does not write to it
    message.header.msg_controllen = CMSG_SPACE(count * sizeof(int));
    cmsghdr& part = *CMSG_FIRSTHDR(&message.header);
    part.cmsg_level = SOL_SOCKET;
    part.cmsg_type = SCM_RIGHTS;
    part.cmsg_len = CMSG_LEN(count * sizeof(int));
    std::memcpy(CMSG_DATA(&part), numbers.data(), count * sizeof(int));
    return ::sendmsg(socket, &message.header, MSG_DONTWAIT | MSG_NOSIGNAL);
}

ssize_t receive_with(int socket, std::span<std::uint8_t> space, std::vector<Fd>& descriptors) {
    Message message(space.data(), space.size());
    const ssize_t got = ::recvmsg(socket, &message.header, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    if (got <= 0) return got;
    for (cmsghdr* part = CMSG_FIRSTHDR(&message.header); part != nullptr; part = CMSG_NXTHDR(&message.header, part)) {
        if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_RIGHTS) continue;
        for (std::size_t at = 0; CMSG_LEN(at + sizeof(int)) <= part->cmsg_len; at += sizeof(int)) {
            int number = -1;
            std::memcpy(&number, CMSG_DATA(part) + at, sizeof number);
            descriptors.emplace_back(number);
        }
    }
    return got;
}

}  // namespace hwvault::os
