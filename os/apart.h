// SPDX-License-Identifier: LGPL-2.1-or-later
//
// For work with what is not to be trusted with the terminal of who typed the command: a vendor's module, a store that somebody
// may have written into. Whoever has the terminal types into root's shell (TIOCSTI), reads what is typed there, and writes
// control sequences.
#pragma once

#include "foundation/result.h"

namespace hwvault::os {

// Returns in a child of this process only. The child reads nothing (/dev/null); what it prints, this process shows, line by line
// and without control characters, until it ends with the child's exit status. The child is killed when this process ends,
// however that comes about. Before the first other thread, and before there are secrets.
Result<void> go_on_apart();

// In that child: the terminal is not its own any more, so that not even /dev/tty is it. Ctrl-C then ends the process that shows,
// and the kernel the child with it.
void leave_terminal();

}  // namespace hwvault::os
