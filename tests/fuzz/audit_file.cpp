// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Any bytes as audit files, through the verifier: as they are with a key, and chained anew without one. It says
// nothing of what it reads, and what it sums up adds up.
#include <algorithm>
#include <cstdlib>
#include <utility>

#include "daemon/audit/verifier.h"
#include "tests/fuzz/canary.h"

namespace {

using namespace hwvault;

// A P-256 key, DER: the one of RFC 6979, A.2.5.
const Bytes kKey = {0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86, 0x48,
                    0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00, 0x04, 0x60, 0xfe, 0xd4, 0xba, 0x25, 0x5a, 0x9d, 0x31, 0xc9,
                    0x61, 0xeb, 0x74, 0xc6, 0x35, 0x6d, 0x68, 0xc0, 0x49, 0xb8, 0x92, 0x3b, 0x61, 0xfa, 0x6c, 0xe6, 0x69, 0x62,
                    0x2e, 0x60, 0xf2, 0x9f, 0xb6, 0x79, 0x03, 0xfe, 0x10, 0x08, 0xb8, 0xbc, 0x99, 0xa4, 0x1a, 0xe9, 0xe9, 0x56,
                    0x28, 0xbc, 0x64, 0xf2, 0xf1, 0xb2, 0x0c, 0x2d, 0x7e, 0x9f, 0x51, 0x77, 0xa3, 0xc2, 0x94, 0xd4, 0x46, 0x22,
                    0x99};

void require(bool holds) {
    if (!holds) std::abort();
}

std::string_view take_line(std::string_view& text) {
    const std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(text.size(), line.size() + 1));
    return line;
}

// The same entries, each linked to the one before, which no chance would do. A checkpoint of an odd epoch covers it.
std::string chained(std::string_view text) {
    std::string anew;
    audit::Trail trail;
    while (!text.empty()) {
        const std::string_view line = take_line(text);
        auto parsed = audit::parse_line(line);
        if (!parsed) continue;
        if (auto* const start = std::get_if<audit::FileStart>(&*parsed)) {
            if (start->follows.sequence == 0) trail = audit::Trail();
            start->follows = {.sequence = trail.sequence(), .hash = trail.head()};
        } else if (auto entry = audit::decode(std::get<vault::EventLink>(*parsed).body)) {
            auto* const made = std::get_if<vault::SignedCheckpoint>(&*entry);
            if (made != nullptr && made->checkpoint.epoch % 2 == 1) made->checkpoint.audit_head = trail.head();
            parsed = audit::Line(trail.append(*entry));
        }
        anew += audit::to_line(*parsed) + "\n";
    }
    return anew;
}

void read(std::string_view text, bool check_signatures) {
    const audit::Position known{.sequence = 2, .hash = crypto::sha256(bytes_of("known"))};
    audit::Verifier verifier({.signing_keys = {kKey}, .check_signatures = check_signatures, .known = {known}, .at_least = 3});
    bool good = true;
    while (!text.empty()) {
        const auto taken = verifier.take(take_line(text));
        if (!taken) fuzz::require_silent(taken.error().message);
        good = good && taken;
    }
    const auto finished = verifier.finish();
    if (!finished) fuzz::require_silent(finished.error().message);
    const auto& summary = verifier.summary();
    require(summary.signed_up_to <= summary.last.sequence);
    require(summary.uncovered <= summary.events + summary.unread);
    require(!finished || (good && summary.last.sequence >= 3));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view text = text_of({data, size});
    if (fuzz::knows_canary(text)) return fuzz::kNotLookedAt;
    read(text, true);
    read(fuzz::with_canary(text), false);
    read(chained(text), false);
    return 0;
}
