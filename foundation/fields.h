// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The one encoding of structured bytes in hwvault: each field is its length (u32, little-endian) and its bytes;
// an integer is a field of eight bytes, little-endian. Injective: two different lists of fields never give the
// same bytes. Derivation contexts, records, audit events and the frames to the hardware child are made of it.
//
// `FieldWriter` appends; `FieldReader` gives the fields back in order and never reads past its end.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>
#include <string_view>
#include <utility>

#include "foundation/bytes.h"

namespace hwvault {

// Output is any container of bytes with insert(end, first, last): Bytes, or a pmr vector in locked memory.
template <class Output = Bytes>
class FieldWriter {
public:
    explicit FieldWriter(Output output = {}) : output_(std::move(output)) {}

    FieldWriter& bytes(BytesView field) {
        append(static_cast<std::uint32_t>(field.size()), sizeof(std::uint32_t));
        output_.insert(output_.end(), field.begin(), field.end());
        return *this;
    }
    FieldWriter& text(std::string_view field) { return bytes(bytes_of(field)); }
    FieldWriter& number(std::uint64_t field) {
        append(sizeof field, sizeof(std::uint32_t));
        append(field, sizeof field);
        return *this;
    }

    [[nodiscard]] const Output& view() const { return output_; }
    [[nodiscard]] Output take() { return std::move(output_); }

private:
    void append(std::uint64_t value, std::size_t size) {
        for (std::size_t i = 0; i < size; ++i) output_.push_back(static_cast<std::uint8_t>(value >> (8 * i)));
    }

    Output output_;
};

// Reads what FieldWriter wrote. Each call gives nullopt, and so does every later one, when the bytes end early
// or a number is not eight bytes long. Views point into the bytes given, which must outlive them.
class FieldReader {
public:
    explicit FieldReader(BytesView bytes) : rest_(bytes) {}

    std::optional<BytesView> bytes();
    std::optional<std::string_view> text();
    std::optional<std::uint64_t> number();
    // The next field, when it is exactly N bytes long.
    template <std::size_t N>
    std::optional<std::array<std::uint8_t, N>> array();

    // True when every byte was read and nothing went wrong.
    [[nodiscard]] bool finished() const { return ok_ && rest_.empty(); }

private:
    BytesView rest_;
    bool ok_{true};
};

template <std::size_t N>
std::optional<std::array<std::uint8_t, N>> FieldReader::array() {
    const auto field = bytes();
    if (!field || field->size() != N) {
        ok_ = false;
        return std::nullopt;
    }
    std::array<std::uint8_t, N> copy;
    std::copy(field->begin(), field->end(), copy.begin());
    return copy;
}

}  // namespace hwvault
