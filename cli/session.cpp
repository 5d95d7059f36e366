// SPDX-License-Identifier: LGPL-2.1-or-later
#include "cli/session.h"

#include <algorithm>
#include <cstdio>

#include <unistd.h>

#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>

#include "cli/duration.h"
#include "cli/output.h"

namespace hwvault::cli {

Exit exit_of(const Failure& failure) {
    switch (failure.code) {
        case HWVAULT_ERROR_NOT_FOUND:
        case HWVAULT_ERROR_ACCESS_DENIED:
        case HWVAULT_ERROR_ALREADY_EXISTS:
        case HWVAULT_ERROR_QUOTA_EXCEEDED:
        case HWVAULT_ERROR_EXPIRED: return kNo;
        case HWVAULT_ERROR_INVALID_ARGUMENT: return kUsage;
        default: return kUnavailable;
    }
}

void warn(const std::string& sentence) {
    std::fprintf(stderr, "hwvault: %s\n", printable(sentence).c_str());
}

Answer<Door*> Session::open_door(std::chrono::seconds at_most) {
    if (door_) return door_.get();
    HWVAULT_TRY(const std::chrono::seconds asked, duration_named(settings.timeout));
    const std::chrono::seconds timeout = std::min(asked, at_most);
    HWVAULT_TRY(door_, settings.door == "dbus" ? open_bus_door(timeout) : open_socket_door(settings.address, timeout));
    return door_.get();
}

Answer<void> Session::print(const std::string& text, const boost::json::value& value) const {
    return write_out(STDOUT_FILENO, bytes_of(settings.json ? boost::json::serialize(value) + "\n" : text));
}

void Session::report(const Failure& failure) const {
    warn(failure.message);
    if (!settings.json) return;
    const boost::json::object object{{"error", hwvault_error_word(failure.code)}, {"message", failure.message}};
    // Whether it arrives changes nothing: the exit code and standard error have said it.
    static_cast<void>(write_out(STDOUT_FILENO, bytes_of(boost::json::serialize(object) + "\n")));
}

}  // namespace hwvault::cli
