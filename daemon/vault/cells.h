// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Short runs of bytes, very many of them, each named by four bytes and without a heap block of its own.
//
// A run that is dropped leaves its place to the next one of its size, to four bytes. Sizes of one kind of record lie close
// together, so places do not stay empty.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "foundation/bytes.h"

namespace hwvault::vault {

class Cells {
public:
    using Ref = std::uint32_t;
    static constexpr std::size_t kMaxSize = 1 << 20;  // of a run

    Ref put(BytesView run);  // at most kMaxSize
    // Where it begins; it stays there until it is dropped. Its size is for whoever put it there to know.
    [[nodiscard]] const std::uint8_t* at(Ref ref) const;
    void drop(Ref ref, std::size_t size);

private:
    static constexpr std::size_t kUnit = 4;  // so that four bytes name a place in 16 GiB
    static constexpr std::size_t kUnitsOfChunk = kMaxSize / kUnit;

    Ref place_for(std::size_t units);

    std::vector<std::unique_ptr<std::uint8_t[]>> chunks_;
    std::size_t used_{kUnitsOfChunk};  // units of the last chunk
    std::vector<std::vector<Ref>> free_;  // by their size in units
};

}  // namespace hwvault::vault
