// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The private protocol between hwvaultd and its hardware child, on one stream socket.
//
//     frame    u32 length, little-endian | fields (foundation/fields.h)
//     request  id | verb | payload            the payload is fields too, different for each verb
//     answer   id | status | payload          status 0: what the verb gives; else an ErrorCode and its message
//
// Pipelined: many requests are under way at once, and answers come in any order. Strict: a frame that is not
// exactly of this form decodes to nothing, and its receiver closes the connection. Everything here is a pure
// function of its bytes, and thread-safe. What may carry a derived secret lives in locked memory.
#pragma once

#include <cstdint>
#include <memory_resource>
#include <optional>
#include <variant>
#include <vector>

#include "daemon/hardware/device.h"
#include "foundation/bytes.h"
#include "foundation/result.h"
#include "foundation/secret.h"

namespace hwvault::hardware {

constexpr std::size_t kFrameHeaderSize = sizeof(std::uint32_t);
constexpr std::size_t kMaxFrameSize = 64 * 1024;      // bytes after the header
constexpr std::size_t kMaxInFlight = 256;             // requests without an answer, on one connection: the client's limit
constexpr std::size_t kMaxMessageSize = 4 * 1024;     // bytes of an error's sentence; a longer one is cut
constexpr std::size_t kMaxListedItems = 64;           // keys, and abilities, in one description

struct DeriveRequest {
    Label label{Label::kToken};
    Bytes context;  // at most kMaxContextSize
};
struct CheckpointRequest {
    Checkpoint checkpoint;
};
struct RandomRequest {
    std::uint64_t size{0};  // 1 to kMaxRandomSize
};
struct EpochRequest {};
struct AdvanceRequest {
    std::uint64_t from{0};
};
struct DescribeRequest {};

// The alternatives' order is their number on the wire, from 1; do not reorder.
using Verb = std::variant<DeriveRequest, CheckpointRequest, RandomRequest, EpochRequest, AdvanceRequest, DescribeRequest>;

struct Request {
    std::uint64_t id{0};
    Verb verb;
};

struct Answer {
    std::uint64_t id{0};
    Result<SecretBytes> result;
};

// Bytes in locked_memory(), wiped when they go.
using LockedBytes = std::pmr::vector<std::uint8_t>;

// Whole frames, with their header. The request's parts are within the caps above. Each text is one line (foundation/one_line.h),
// whatever a vendor calls its device; a frame with another text is none.
Bytes encode(const Request& request);
LockedBytes encode(const Answer& answer);

// A frame without its header.
std::optional<Request> decode_request(BytesView frame);
std::optional<Answer> decode_answer(BytesView frame);

// What the payload of an answer holds, where it is more than plain bytes.
SecretBytes encode_number(std::uint64_t number);
std::optional<std::uint64_t> decode_number(BytesView payload);
SecretBytes encode_reading(const CounterReading& reading);
std::optional<CounterReading> decode_reading(BytesView payload);
SecretBytes encode_description(const Description& description);
std::optional<Description> decode_description(BytesView payload);

// Cuts a stream into frames. Not thread-safe.
class FrameReader {
public:
    FrameReader() : buffer_(kFrameHeaderSize + kMaxFrameSize) {}

    // Where the next bytes from the socket go, never empty once next() gave nullopt, and how many were put there.
    std::span<std::uint8_t> space();
    void filled(std::size_t size) { end_ += size; }

    // The next whole frame, without its header; valid until the next call of space(). nullopt: read more first,
    // unless broken().
    std::optional<BytesView> next();
    // Whether something was put there that next() has not given yet, be it whole or not.
    [[nodiscard]] bool holds_more() const { return begin_ != end_; }
    // True when a header announced an empty frame or more than kMaxFrameSize: nothing after it can be read.
    [[nodiscard]] bool broken() const { return broken_; }

private:
    SecretBytes buffer_;
    std::size_t begin_{0};
    std::size_t end_{0};
    bool broken_{false};
};

}  // namespace hwvault::hardware
