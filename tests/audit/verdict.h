// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What the verifier says of lines, with the key of the trail that they were made from, and a trail to change.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "daemon/audit/verifier.h"
#include "tests/audit/written_trail.h"

namespace hwvault::audit {

using Lines = std::vector<std::string>;

struct Verdict {
    std::size_t line{0};  // the first bad one, from 1; 0 when none is
    std::string sentence;
    Verifier::Summary summary;
    bool proven{false};
};

inline Verdict verdict_with(Verifier::Options options, const Lines& lines, std::size_t window = Verifier::kWindow) {
    Verifier verifier(std::move(options), window);
    for (std::size_t i = 0; i < lines.size(); ++i) {
        const auto taken = verifier.take(lines[i]);
        const std::size_t number = verifier.blames_line_before() ? i : i + 1;
        if (!taken) return {number, taken.error().message, verifier.summary(), verifier.is_proven()};
    }
    const auto finished = verifier.finish();
    return {0, finished ? "" : finished.error().message, verifier.summary(), verifier.is_proven()};
}

inline Verifier::Options with_key(WrittenTrail& trail) {
    return {.signing_keys = {trail.signing_key()}, .check_signatures = true, .known = {}, .at_least = 0};
}

inline Verdict verdict_on(WrittenTrail& trail, const Lines& lines) {
    return verdict_with(with_key(trail), lines);
}

inline Verdict verdict_knowing(WrittenTrail& trail, const Lines& lines, const Position& end) {
    auto options = with_key(trail);
    options.known = {end};
    options.at_least = end.sequence;
    return verdict_with(std::move(options), lines);
}

// One file: the start, events 1 to 4, a checkpoint over them as entry 5, events 6 to 9, a checkpoint as entry 10.
inline WrittenTrail usual_trail() {
    WrittenTrail trail;
    trail.add_events(4);
    trail.add_checkpoint();
    trail.add_events(4);
    trail.add_checkpoint();
    return trail;
}

}  // namespace hwvault::audit
