// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What commands print: tables for people, JSON for programs. Whatever comes from the vault may have been written by
// somebody else (a description, a name), so nothing of it reaches a terminal as a control sequence.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include <boost/json/object.hpp>

#include "cli/door.h"

namespace hwvault::cli {

// Control characters, and bytes that are not UTF-8, as \xNN.
std::string printable(std::string_view text);
// The same of each line.
std::string printable_lines(std::string_view text);

// Columns on a terminal, near enough: one for each character.
std::size_t width(std::string_view text);

// With a comma between; "" for none.
std::string joined(const std::vector<std::string>& texts);

// Rows under a heading, in columns as wide as their widest cell. Cells are made printable.
std::string table(const std::vector<std::vector<std::string>>& rows);

boost::json::object to_json(const Info& info);
boost::json::object to_json(const Event& event);

// One "account/name".
std::string full_name(const Info& info);
// The lines of `show` and of what a change answers.
std::string details(const Info& info);
// The table of `list`: what fits a line of a hundred characters. The rest is in `show`, and in JSON.
std::string listing(const std::vector<Info>& infos);

}  // namespace hwvault::cli
