// SPDX-License-Identifier: LGPL-2.1-or-later
#include "foundation/fields.h"

namespace hwvault {
namespace {

std::uint64_t little_endian(BytesView bytes) {
    std::uint64_t value = 0;
    for (std::size_t i = bytes.size(); i-- > 0;) value = value << 8 | bytes[i];
    return value;
}

}  // namespace

std::optional<BytesView> FieldReader::bytes() {
    constexpr std::size_t kLengthSize = sizeof(std::uint32_t);
    if (!ok_ || rest_.size() < kLengthSize) {
        ok_ = false;
        return std::nullopt;
    }
    const std::uint64_t length = little_endian(rest_.first(kLengthSize));
    if (length > rest_.size() - kLengthSize) {
        ok_ = false;
        return std::nullopt;
    }
    const BytesView field = rest_.subspan(kLengthSize, length);
    rest_ = rest_.subspan(kLengthSize + length);
    return field;
}

std::optional<std::string_view> FieldReader::text() {
    const auto field = bytes();
    if (!field) return std::nullopt;
    return text_of(*field);
}

std::optional<std::uint64_t> FieldReader::number() {
    const auto field = bytes();
    if (!field || field->size() != sizeof(std::uint64_t)) {
        ok_ = false;
        return std::nullopt;
    }
    return little_endian(*field);
}

}  // namespace hwvault
