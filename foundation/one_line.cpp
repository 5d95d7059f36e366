// SPDX-License-Identifier: LGPL-2.1-or-later
#include "foundation/one_line.h"

namespace hwvault {

std::string one_line(std::string_view text) {
    std::string line(text);
    for (std::size_t i = 0; i < line.size(); ++i) {
        const auto byte = static_cast<unsigned char>(line[i]);
        const bool c1 = byte == 0xC2 && i + 1 < line.size() && (static_cast<unsigned char>(line[i + 1]) & 0xE0U) == 0x80;
        if (c1) line[i + 1] = ' ';
        if (c1 || byte < 0x20 || byte == 0x7F) line[i] = ' ';
    }
    return line;
}

}  // namespace hwvault
