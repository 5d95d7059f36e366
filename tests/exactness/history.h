// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What was asked of a vault and answered, when, by CLOCK_MONOTONIC; and whether there is an order of it all in which each verify
// is true (linearizability). A verify reads one thing, whether a token is good, which becomes true once and false once. So an order
// exists if and only if no single verify contradicts what was answered before it began or asked after it ended.
//
// A call whose answer was lost has no end: what it would have made or ended may be so from its begin on, and need never be.
#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>
#include <optional>
#include <vector>

namespace hwvault::exactness {

using Time = std::int64_t;  // nanoseconds
constexpr Time kNever = std::numeric_limits<Time>::max();

// From a time when a generation may be good to a time when it certainly is no more.
struct Life {
    Time from{0};        // what makes it good was asked
    Time good{kNever};   // and answered
    Time ends{kNever};   // the first that could end it was asked, or its overlap may have run out
    Time gone{kNever};   // the first such was answered, or its overlap has run out

    // A call that ends it was made; `answered` is kNever when its answer was lost.
    void end(Time asked, Time answered) {
        ends = std::min(ends, asked);
        gone = std::min(gone, answered);
    }
};

// The lives of one thing, of which each begins after the one before it: a generation has one, a permission many.
using Lives = std::vector<Life>;

struct Verify {
    Time asked;
    Time answered;
    bool active;
};

enum class Verdict { kTrue, kStaleYes, kWrongNo };

inline Verdict judge(const Lives& lives, const Verify& verify) {
    const auto could_be_good = [&](const Life& life) { return verify.answered >= life.from && verify.asked <= life.gone; };
    const auto was_good = [&](const Life& life) { return verify.asked >= life.good && verify.answered <= life.ends; };
    if (verify.active) return std::ranges::any_of(lives, could_be_good) ? Verdict::kTrue : Verdict::kStaleYes;
    return std::ranges::any_of(lives, was_good) ? Verdict::kWrongNo : Verdict::kTrue;
}

// Of all that one thread verified of one generation: the yes that was asked last and the no that was answered first. Of a generation,
// whose one life is good before anybody has its text, they are the first to be wrong if any is.
class Decisive {
public:
    void add(const Verify& verify) {
        if (verify.active && (!yes_ || verify.asked > yes_->asked)) yes_ = verify;
        if (!verify.active && (!no_ || verify.answered < no_->answered)) no_ = verify;
    }
    // The worst of them; kTrue when there was none.
    [[nodiscard]] Verdict judge(const Lives& lives) const {
        for (const auto& kept : {yes_, no_}) {
            const Verdict verdict = kept ? exactness::judge(lives, *kept) : Verdict::kTrue;
            if (verdict != Verdict::kTrue) return verdict;
        }
        return Verdict::kTrue;
    }

private:
    std::optional<Verify> yes_;
    std::optional<Verify> no_;
};

}  // namespace hwvault::exactness
