// SPDX-License-Identifier: LGPL-2.1-or-later
#include "daemon/doors/varlink/call.h"

#include <utility>

#include <boost/json/value.hpp>

#include "daemon/doors/varlink/limits.h"
#include "daemon/doors/varlink/reply.h"
#include "libclient/wire/varlink.h"

namespace hwvault::doors::varlink {
namespace {

namespace json = boost::json;

Error malformed(std::string_view key, std::string_view what) {
    return {ErrorCode::kInvalidArgument,
            "The call's member `" + shortened(key) + "` " + std::string(what) + "."};
}

Result<void> read_flag(const json::key_value_pair& member, bool& flag) {
    if (member.value().is_null()) return {};
    if (!member.value().is_bool()) return malformed(member.key(), "is neither true nor false");
    flag = member.value().get_bool();
    return {};
}

Result<void> read_member(json::key_value_pair& member, Call& call) {
    const std::string_view key = member.key();
    json::value& value = member.value();
    if (key == "method") {
        if (!value.is_string()) return malformed(key, "is no string");
        call.method.assign(value.get_string().data(), value.get_string().size());
        return {};
    }
    if (key == "parameters") {
        if (value.is_null()) return {};
        if (!value.is_object()) return malformed(key, "is no object");
        call.parameters = std::move(value.get_object());
        return {};
    }
    if (key == "oneway") return read_flag(member, call.oneway);
    if (key == "more") return read_flag(member, call.more);
    if (key == "upgrade") return read_flag(member, call.upgrade);
    // A name with a dot is a vendor's extension, to be passed over ("Vendor Extensions").
    if (key.find('.') == std::string_view::npos) return malformed(key, "is not known");
    return {};
}

std::size_t last_dot(std::string_view method) {
    const std::size_t dot = method.rfind('.');
    return dot == std::string_view::npos ? method.size() : dot;
}

}  // namespace

std::string_view Call::interface() const {
    return std::string_view(method).substr(0, last_dot(method));
}

std::string_view Call::verb() const {
    const std::size_t dot = last_dot(method);
    return dot == method.size() ? std::string_view() : std::string_view(method).substr(dot + 1);
}

Result<Call> read_call(BytesView message) {
    HWVAULT_TRY(json::object tree, wire::parse(message, kMaxCallValues));
    Call call{{}, empty_object()};
    for (json::key_value_pair& member : tree) HWVAULT_CHECK(read_member(member, call));
    if (call.method.empty()) return malformed("method", "is missing");
    if (call.oneway + call.more + call.upgrade > 1) return malformed("oneway", "goes with neither `more` nor `upgrade`");
    return call;
}

}  // namespace hwvault::doors::varlink
