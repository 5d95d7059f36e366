// SPDX-License-Identifier: LGPL-2.1-or-later
#include "daemon/doors/varlink/introspection.h"

#include <string>
#include <utility>

#include <boost/json/array.hpp>

#include "daemon/doors/varlink/parameters.h"
#include "libclient/wire/varlink.h"

namespace hwvault::doors::varlink {
namespace {

Reply get_info(Parameters in) {
    if (auto refusal = in.refusal()) return std::move(*refusal);
    Reply reply = success();
    reply.parameters.emplace("vendor", "hwvault");
    reply.parameters.emplace("product", "hwvault");
    reply.parameters.emplace("version", HWVAULT_VERSION);
    reply.parameters.emplace("url", "");
    boost::json::array interfaces(wire::locked_storage());
    interfaces.emplace_back(kServiceInterface);
    interfaces.emplace_back(wire::kInterface);
    reply.parameters.emplace("interfaces", std::move(interfaces));
    return reply;
}

Reply get_interface_description(Parameters in) {
    const std::string interface = in.required_text("interface");
    if (auto refusal = in.refusal()) return std::move(*refusal);
    Reply reply = success();
    if (interface == wire::kInterface) {
        reply.parameters.emplace("description", kVaultDescription);
    } else if (interface == kServiceInterface) {
        reply.parameters.emplace("description", kServiceDescription);
    } else {
        return interface_not_found(interface);
    }
    return reply;
}

}  // namespace

Reply introspect(Call call) {
    if (call.verb() == "GetInfo") return get_info(Parameters(std::move(call.parameters)));
    if (call.verb() == "GetInterfaceDescription") {
        return get_interface_description(Parameters(std::move(call.parameters)));
    }
    return method_not_found(call.method);
}

}  // namespace hwvault::doors::varlink
