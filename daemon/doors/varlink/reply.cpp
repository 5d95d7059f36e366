// SPDX-License-Identifier: LGPL-2.1-or-later
#include "daemon/doors/varlink/reply.h"

#include <utility>

#include <boost/json/value.hpp>

#include "foundation/short_words.h"
#include "libclient/wire/varlink.h"

namespace hwvault::doors::varlink {
namespace {

std::string name_of(std::string_view interface, std::string_view word) {
    return std::string(interface).append(".").append(word);
}

Reply service_error(std::string_view word, std::string_view field, std::string_view value) {
    Reply reply{empty_object(), name_of(kServiceInterface, word)};
    reply.parameters.emplace(field, shortened(value));
    return reply;
}

}  // namespace

std::string shortened(std::string_view name) {
    if (name.size() <= kMaxEchoedName) return with_short_words(name);
    std::size_t size = kMaxEchoedName;
    while (size > 0 && (static_cast<unsigned char>(name[size]) & 0xC0U) == 0x80U) --size;
    return with_short_words(name.substr(0, size));
}

boost::json::object empty_object() {
    return boost::json::object(wire::locked_storage());
}

Reply success(boost::json::object parameters) {
    return {std::move(parameters), {}};
}

Reply failure(const Error& error) {
    Reply reply{empty_object(), name_of(wire::kInterface, word(error.code))};
    reply.parameters.emplace("message", error.message);
    return reply;
}

Reply invalid_parameter(std::string_view parameter) {
    return service_error("InvalidParameter", "parameter", parameter);
}

Reply interface_not_found(std::string_view interface) {
    return service_error("InterfaceNotFound", "interface", interface);
}

Reply method_not_found(std::string_view method) {
    return service_error("MethodNotFound", "method", method);
}

Reply method_not_implemented(std::string_view method) {
    return service_error("MethodNotImplemented", "method", method);
}

Reply expected_more() {
    return {empty_object(), name_of(kServiceInterface, "ExpectedMore")};
}

SecretBytes message_of(Reply reply) {
    boost::json::object message = empty_object();
    if (!reply.error.empty()) message.emplace("error", reply.error);
    if (reply.continues) message.emplace("continues", true);
    if (!reply.parameters.empty()) message.emplace("parameters", std::move(reply.parameters));
    return wire::serialize(message);
}

}  // namespace hwvault::doors::varlink
