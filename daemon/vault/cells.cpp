// SPDX-License-Identifier: LGPL-2.1-or-later
#include "daemon/vault/cells.h"

#include <algorithm>

namespace hwvault::vault {
namespace {

std::size_t units_of(std::size_t size, std::size_t unit) {
    return (size + unit - 1) / unit;
}

}  // namespace

Cells::Ref Cells::put(BytesView run) {
    const Ref ref = place_for(units_of(run.size(), kUnit));
    std::ranges::copy(run, chunks_[ref / kUnitsOfChunk].get() + ref % kUnitsOfChunk * kUnit);
    return ref;
}

const std::uint8_t* Cells::at(Ref ref) const {
    return chunks_[ref / kUnitsOfChunk].get() + ref % kUnitsOfChunk * kUnit;
}

void Cells::drop(Ref ref, std::size_t size) {
    const std::size_t units = units_of(size, kUnit);
    if (free_.size() <= units) free_.resize(units + 1);
    free_[units].push_back(ref);
}

Cells::Ref Cells::place_for(std::size_t units) {
    if (units < free_.size() && !free_[units].empty()) {
        const Ref ref = free_[units].back();
        free_[units].pop_back();
        return ref;
    }
    if (units > kUnitsOfChunk - used_) {
        chunks_.push_back(std::make_unique_for_overwrite<std::uint8_t[]>(kMaxSize));
        used_ = 0;
    }
    const auto ref = static_cast<Ref>((chunks_.size() - 1) * kUnitsOfChunk + used_);
    used_ += units;
    return ref;
}

}  // namespace hwvault::vault
