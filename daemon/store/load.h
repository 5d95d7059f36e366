// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Reads a whole store and believes none of it before the head, every row and the set match. Rows are checked on as many
// threads as there are cores, while this one reads on.
#pragma once

#include "daemon/store/head.h"
#include "daemon/store/record_set.h"

namespace hwvault::store {

struct Loaded {
    Head head;
    Contents contents;
};

// Fills `records` with what is in the table, and gives the records themselves to `take`. kStoreTampered, naming the record
// where that can be known.
Result<Loaded> load(const Connection& connection, const Keys& keys, RecordSet& records, const TakeRecords& take);

}  // namespace hwvault::store
