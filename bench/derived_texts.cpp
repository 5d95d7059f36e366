// SPDX-License-Identifier: LGPL-2.1-or-later
#include "bench/derived_texts.h"

#include <algorithm>
#include <string_view>

namespace hwvault::bench {
namespace {

constexpr std::string_view kBase62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

// SplitMix64: the sequence of one number has nothing in common with that of the next.
class Sequence {
public:
    explicit Sequence(std::uint64_t number) : state_(number * 0xd1342543de82ef95ULL) {}
    std::uint64_t next() {
        std::uint64_t mixed = state_ += 0x9e3779b97f4a7c15ULL;
        mixed = (mixed ^ mixed >> 30) * 0xbf58476d1ce4e5b9ULL;
        mixed = (mixed ^ mixed >> 27) * 0x94d049bb133111ebULL;
        return mixed ^ mixed >> 31;
    }

private:
    std::uint64_t state_;
};

}  // namespace

DerivedText derived_text(std::uint64_t number) {
    constexpr std::size_t kOfOne = 8;  // characters that a number of the sequence gives
    DerivedText text{};
    const auto body = std::ranges::copy(crypto::kDefaultPrefix, text.begin()).out;
    Sequence sequence(number);
    std::uint64_t rest = 0;
    for (std::size_t i = 0; i < crypto::kTokenHashedSize; ++i, rest /= kBase62.size()) {
        if (i % kOfOne == 0) rest = sequence.next();
        body[static_cast<std::ptrdiff_t>(i)] = static_cast<std::uint8_t>(kBase62[rest % kBase62.size()]);
    }
    crypto::write_checksum(text);
    return text;
}

}  // namespace hwvault::bench
