// SPDX-License-Identifier: LGPL-2.1-or-later
#include "foundation/one_line.h"

#include <algorithm>

namespace hwvault {

std::string one_line(std::string_view text) {
    std::string line(text);
    const auto is_control = [](char character) {
        const auto byte = static_cast<unsigned char>(character);
        return byte < 0x20 || byte == 0x7F;
    };
    std::replace_if(line.begin(), line.end(), is_control, ' ');
    return line;
}

}  // namespace hwvault
