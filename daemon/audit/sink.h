// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Where the trail goes from the store: the files in the product, something that hangs or fails in a test.
//
// All of it may block for as long as a disk takes, and is called from one thread at a time, not always the same one.
#pragma once

#include <optional>
#include <span>
#include <string>

#include "daemon/audit/line.h"
#include "daemon/vault/change.h"
#include "foundation/result.h"

namespace hwvault::audit {

class Sink {
public:
    virtual ~Sink() = default;

    // Where the trail of this vault ends here; nullopt where none of it is. kStoreTampered, saying what, when what is here
    // was not left like that by hwvaultd; another error when it cannot be read now.
    virtual Result<std::optional<Position>> end(const vault::Id& vault) = 0;
    // The end of the newest of the full files, those before the one that grows; nullopt where there is none of this
    // vault, or it cannot be read.
    virtual std::optional<Position> end_of_full(const vault::Id& vault) = 0;
    // Sets that file aside, unchanged: it is of a trail that was given up.
    virtual Result<void> set_aside_full(const vault::Id& vault) = 0;
    // The file that grows, which end() has just read, is full from here on: its trail ends with it.
    virtual Result<void> retire() = 0;
    // Begins the file that grows anew after `follows`. One that is there is set aside, unchanged, under the name that this
    // gives; "" where there was none.
    virtual Result<std::string> begin(const vault::Id& vault, const Position& follows) = 0;
    // Durable when it returns. `links` follow each other, and the first one end(). kStoreTampered, saying what, when
    // what is here has been deleted, replaced or changed since it was last looked at: nothing was written then.
    virtual Result<void> append(std::span<const vault::EventLink> links) = 0;
};

}  // namespace hwvault::audit
