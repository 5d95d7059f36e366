// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The lines of an audit file (docs/formats/audit.md, "The files"): JSON objects, one a line. The first says where in
// which trail the file begins; each other is a link of the trail.
//
// A line has one form only: what parse_line() takes, to_line() writes with the same bytes, so that no two readers can
// read a line in two ways. Pure; thread-safe.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <variant>

#include "crypto/digest.h"
#include "daemon/vault/change.h"
#include "daemon/vault/record.h"
#include "foundation/result.h"

namespace hwvault::audit {

// Of a line, without its newline: eight texts of kMaxTextSize, of which each byte may be escaped by another, and the rest.
constexpr std::size_t kMaxLineSize = 128 << 10;

// An entry of a trail; before the first one, 0 and zeros.
struct Position {
    std::uint64_t sequence{0};
    crypto::Digest hash{};

    friend bool operator==(const Position&, const Position&) = default;
};

// The first line.
struct FileStart {
    vault::Id vault{};
    Position follows;  // the next line is the link after this one

    friend bool operator==(const FileStart&, const FileStart&) = default;
};

using Line = std::variant<FileStart, vault::EventLink>;

// Without a newline. A link whose body is no entry that this program knows is written with its bytes, so that its place
// in the chain can be checked all the same.
std::string to_line(const Line& line);
// kInvalidArgument, with what is wrong, completing "This line ". Whether a link fits its neighbours is for
// Trail::follow().
Result<Line> parse_line(std::string_view line);

}  // namespace hwvault::audit
