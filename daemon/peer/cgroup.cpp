// SPDX-License-Identifier: LGPL-2.1-or-later
#include "daemon/peer/cgroup.h"

#include <algorithm>

#include "daemon/peer/peer.h"

namespace hwvault::peer {
namespace {

constexpr std::size_t kMaxUnitNameSize = 255;  // systemd's UNIT_NAME_MAX
constexpr std::string_view kService = ".service";
constexpr std::string_view kSlice = ".slice";
constexpr std::string_view kMachines = "machine.slice";
constexpr std::string_view kUserManager = "user@";

bool is_unit_character(char c) {
    constexpr std::string_view kOthers = ":-_.\\@";
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
           kOthers.find(c) != std::string_view::npos;
}

// A plain unit or an instance, never a template: systemd's unit_name_is_valid() with UNIT_NAME_PLAIN|INSTANCE.
bool is_unit_name(std::string_view name, std::string_view suffix) {
    if (name.size() > kMaxUnitNameSize || !name.ends_with(suffix)) return false;
    const auto stem = name.substr(0, name.size() - suffix.size());
    if (stem.empty() || !std::all_of(stem.begin(), stem.end(), is_unit_character)) return false;
    const auto at = stem.find('@');
    return at == std::string_view::npos || (at > 0 && at + 1 < stem.size());
}

// A control group whose name could be taken for one of the kernel's own files has an underscore in front.
std::string_view unescaped(std::string_view component) {
    return component.starts_with('_') ? component.substr(1) : component;
}

// Takes the first component off `rest`; "" at the end of the path.
std::string_view next_component(std::string_view& rest) {
    rest.remove_prefix(std::min(rest.find_first_not_of('/'), rest.size()));
    const auto component = rest.substr(0, rest.find('/'));
    rest.remove_prefix(component.size());
    return component;
}

// Outside of our control group namespace the kernel shows "/.." components: such a path says nothing.
bool leaves_namespace(std::string_view path) {
    for (auto rest = path; !rest.empty();) {
        if (next_component(rest) == "..") return true;
    }
    return false;
}

}  // namespace

std::optional<UnitPlace> place_of_unit(std::string_view path) {
    if (!path.starts_with('/') || leaves_namespace(path)) return std::nullopt;
    auto rest = path;
    auto component = next_component(rest);
    while (is_unit_name(unescaped(component), kSlice)) {
        if (unescaped(component) == kMachines) return std::nullopt;
        component = next_component(rest);
    }
    const auto name = unescaped(component);
    if (!is_unit_name(name, kService) || name.starts_with(kUserManager)) return std::nullopt;
    const auto folder = path.substr(0, path.size() - rest.size());
    rest.remove_prefix(std::min(rest.find_first_not_of('/'), rest.size()));
    return UnitPlace{std::string(name), folder, rest};
}

std::optional<std::string_view> unified_path(std::string_view cgroup_file) {
    constexpr std::string_view kUnified = "0::";
    for (auto rest = cgroup_file; !rest.empty();) {
        const auto line = rest.substr(0, rest.find('\n'));
        if (line.starts_with(kUnified)) return line.substr(kUnified.size());
        rest.remove_prefix(std::min(line.size() + 1, rest.size()));
    }
    return std::nullopt;
}

std::optional<std::string> unit_of_cgroup(std::string_view path) {
    auto place = place_of_unit(path);
    if (!place) return std::nullopt;
    return std::move(place->name);
}

}  // namespace hwvault::peer
