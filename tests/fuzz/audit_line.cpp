// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Any text as a line of an audit file: what is taken is written again with the same bytes, and what is refused is refused
// in words that say nothing of the line.
#include <cstdlib>

#include "daemon/audit/line.h"
#include "tests/fuzz/canary.h"

namespace {

using namespace hwvault;

void read(std::string_view line) {
    const auto parsed = audit::parse_line(line);
    if (parsed) {
        if (audit::to_line(*parsed) != line) std::abort();
        return;
    }
    const std::string& said = parsed.error().message;
    if (parsed.error().code != ErrorCode::kInvalidArgument || said.empty() || said.back() != '.') std::abort();
    fuzz::require_silent(said);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view line = text_of({data, size});
    if (fuzz::knows_canary(line)) return fuzz::kNotLookedAt;
    read(line);
    read(fuzz::with_canary(line));
    return 0;
}
