// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Text from a device, or of an error, on its way to where a line's end means something: the protocol of the service
// manager, a log, a terminal.
#pragma once

#include <string>
#include <string_view>

namespace hwvault {

// `text` with a blank in place of each byte of a control character, of ASCII or of U+0080 to U+009F in UTF-8.
std::string one_line(std::string_view text);

}  // namespace hwvault
