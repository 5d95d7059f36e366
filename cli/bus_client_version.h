// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The one place of the command that knows which sdbus-c++ it is: 1.2 (Debian 12) or 2.x (Debian 13), which has types
// of its own for names.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include <sdbus-c++/sdbus-c++.h>

#if __has_include(<sdbus-c++/VTableItems.h>)
#define HWVAULT_SDBUS_2 1
#endif

namespace hwvault::cli {

#ifdef HWVAULT_SDBUS_2
using BusName = sdbus::ServiceName;
using BusPath = sdbus::ObjectPath;
#else
using BusName = std::string;
using BusPath = std::string;
#endif

// Calls `gone` on the connection's loop when nobody owns `name` any more, for as long as the proxy lives.
inline std::unique_ptr<sdbus::IProxy> watch_owner(sdbus::IConnection& connection, const std::string& name,
                                                  std::function<void()> gone) {
    auto bus = sdbus::createProxy(connection, BusName("org.freedesktop.DBus"), BusPath("/org/freedesktop/DBus"));
    bus->uponSignal("NameOwnerChanged")
        .onInterface("org.freedesktop.DBus")
        .call([name, gone = std::move(gone)](const std::string& changed, const std::string&, const std::string& owner) {
            if (changed == name && owner.empty()) gone();
        });
#ifndef HWVAULT_SDBUS_2
    bus->finishRegistration();
#endif
    return bus;
}

}  // namespace hwvault::cli
