// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Where in the tree of control groups a unit is: what unit_of_cgroup() and the reader of /proc share.
//
// Pure. Follows systemd's own reading (cg_path_decode_unit): skip the slices, take the next component, undo the
// escaping; what is no valid name of a service is no unit to us.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace hwvault::peer {

struct UnitPlace {
    std::string name;           // "billing.service"
    std::string_view folder;    // the part of the path that is the unit's own control group
    std::string_view below;     // what follows it, without a slash: "", ".control", "payload/worker"
};

// nullopt as for unit_of_cgroup(). The views point into `path`.
std::optional<UnitPlace> place_of_unit(std::string_view path);

// The path of control group v2 in the text of /proc/<pid>/cgroup: what follows "0::". nullopt when there is none.
std::optional<std::string_view> unified_path(std::string_view cgroup_file);

}  // namespace hwvault::peer
