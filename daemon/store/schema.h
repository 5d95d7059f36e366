// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The tables, and how an older store becomes a newer one.
//
// The schema's version is SQLite's `user_version`. Step N of the migrations takes version N to N + 1, in one
// transaction with the new number; a new store takes them all from 0. A file whose tables, indexes, triggers and
// views are not, letter by letter, those of this version is not read.
#pragma once

#include <span>

#include "daemon/store/handles.h"

namespace hwvault::store {

// "hwvt", SQLite's `application_id`.
constexpr std::uint64_t kApplicationId = 0x68777674;

// The SQL of each step, the first from 0 to 1.
std::span<const char* const> migrations();
// Takes a database on which `steps` were written from its version to the last one. A step that fails leaves the
// version before it. kInvalidArgument when the version is newer than the steps.
Result<void> migrate(const Connection& connection, std::span<const char* const> steps);

// kInvalidArgument when the file's version is newer than this program's; kStoreTampered when it has none.
Result<void> check_version(const Connection& connection);
// kInvalidArgument when it is older: from before there was recovery.
Result<void> check_is_newest(const Connection& connection);
// kStoreTampered when the file has other tables, or anything beside them.
Result<void> check_schema(const Connection& connection);

}  // namespace hwvault::store
