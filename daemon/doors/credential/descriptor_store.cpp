// SPDX-License-Identifier: LGPL-2.1-or-later
#include "daemon/doors/credential/descriptor_store.h"

#include <systemd/sd-daemon.h>

namespace hwvault::doors::credential {
namespace {

constexpr std::string_view kInFlight = "credential-in-flight-";

// PID 1 reads these in the order in which they were sent: a place that was given up is free before it is taken again.
class SystemdDescriptorStore final : public DescriptorStore {
public:
    void keep(const std::string& name, int connection) override {
        ::sd_pid_notify_with_fds(0, 0, ("FDSTORE=1\nFDNAME=" + name).c_str(), &connection, 1);
    }
    void release(const std::string& name) override {
        ::sd_notify(0, ("FDSTOREREMOVE=1\nFDNAME=" + name).c_str());
    }
};

}  // namespace

std::string in_flight_name(std::uint64_t number) {
    return std::string(kInFlight).append(std::to_string(number));
}

bool is_in_flight_name(std::string_view name) {
    return name.starts_with(kInFlight);
}

std::unique_ptr<DescriptorStore> systemd_descriptor_store() {
    return std::make_unique<SystemdDescriptorStore>();
}

}  // namespace hwvault::doors::credential
