// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Calls sdbus-c++: its exceptions end here.
#include "cli/unit_bus.h"

#include <algorithm>
#include <set>
#include <utility>

#include "cli/bus_client_version.h"

namespace hwvault::cli {
namespace {

constexpr const char* kSystemd = "org.freedesktop.systemd1";
constexpr const char* kSystemdPath = "/org/freedesktop/systemd1";
constexpr const char* kOfSystemd = "org.freedesktop.systemd1.Manager";
constexpr const char* kOfUnit = "org.freedesktop.systemd1.Unit";
constexpr const char* kOfService = "org.freedesktop.systemd1.Service";
constexpr std::string_view kServiceEnding = ".service";

// As ListUnits gives it: name, description, load, active and sub state, followed, path, job, its type, its path.
using Loaded = sdbus::Struct<std::string, std::string, std::string, std::string, std::string, std::string, sdbus::ObjectPath,
                             std::uint32_t, std::string, sdbus::ObjectPath>;
// As ListUnitFiles does: path of the file, whether it is enabled.
using UnitFile = sdbus::Struct<std::string, std::string>;
using LoadedCredential = sdbus::Struct<std::string, std::string>;  // ID, path

std::unique_ptr<sdbus::IProxy> proxy_of(sdbus::IConnection& bus, const std::string& path) {
    return sdbus::createProxy(bus, BusName(kSystemd), BusPath(path));
}

bool is_service(std::string_view name) {
    return name.ends_with(kServiceEnding) && !name.ends_with("@.service");
}

// Where each service is on the bus, once each: an alias and what it stands for have one place.
std::set<std::string> paths_of_services(sdbus::IProxy& systemd) {
    std::set<std::string> paths;
    std::vector<Loaded> loaded;
    systemd.callMethod("ListUnits").onInterface(kOfSystemd).storeResultsTo(loaded);
    for (const Loaded& unit : loaded) {
        if (is_service(unit.get<0>())) paths.insert(unit.get<6>());
    }
    std::vector<UnitFile> files;
    systemd.callMethod("ListUnitFiles").onInterface(kOfSystemd).storeResultsTo(files);
    for (const UnitFile& file : files) {
        const std::string name = file.get<0>().substr(file.get<0>().rfind('/') + 1);
        if (!is_service(name)) continue;
        sdbus::ObjectPath path;
        systemd.callMethod("LoadUnit").onInterface(kOfSystemd).withArguments(name).storeResultsTo(path);
        paths.insert(path);
    }
    return paths;
}

VaultUnit unit_at(sdbus::IConnection& bus, const std::string& path) {
    const auto proxy = proxy_of(bus, path);
    VaultUnit unit;
    const auto loads = proxy->getProperty("LoadCredential").onInterface(kOfService).get<std::vector<LoadedCredential>>();
    for (const LoadedCredential& one : loads) {
        if (one.get<1>() == kCredentialSocket) unit.credentials.push_back(one.get<0>());
    }
    if (!unit.credentials.empty()) unit.name = proxy->getProperty("Id").onInterface(kOfUnit).get<std::string>();
    std::ranges::sort(unit.credentials);
    return unit;
}

}  // namespace

Answer<std::vector<VaultUnit>> vault_units() {
    try {
        const auto bus = sdbus::createSystemBusConnection();
        const auto systemd = proxy_of(*bus, kSystemdPath);
        std::vector<VaultUnit> units;
        for (const std::string& path : paths_of_services(*systemd)) {
            VaultUnit unit = unit_at(*bus, path);
            if (!unit.credentials.empty()) units.push_back(std::move(unit));
        }
        std::ranges::sort(units, {}, &VaultUnit::name);
        return units;
    } catch (const sdbus::Error& error) {
        return Failure{HWVAULT_ERROR_UNREACHABLE, "systemd cannot be asked over the bus which units take credentials (" + error.getMessage() +
                                                      "). Look at `systemctl status dbus`."};
    }
}

}  // namespace hwvault::cli
