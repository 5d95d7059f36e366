// SPDX-License-Identifier: LGPL-2.1-or-later
#include "daemon/doors/varlink/translate.h"

#include <string_view>
#include <utility>

#include <boost/json/array.hpp>
#include <boost/json/value.hpp>

#include "daemon/doors/varlink/reply.h"
#include "libclient/wire/varlink.h"

namespace hwvault::doors::varlink {
namespace {

namespace json = boost::json;

// Times and counts of which 0 stands for "none".
void put_unless_zero(json::object& object, std::string_view name, std::uint64_t number) {
    if (number != 0) object.emplace(name, number);
}

template <class Texts>
json::array array_of(const Texts& texts) {
    json::array array(wire::locked_storage());
    for (const auto& text : texts) array.emplace_back(text);
    return array;
}

// Of an Info or a Verification.
template <class Told>
json::object brief_of(const Told& info) {
    json::object object = empty_object();
    object.emplace("account", info.account);
    object.emplace("name", info.name);
    object.emplace("id", info.id);
    object.emplace("generation", info.generation);
    put_unless_zero(object, "expires_at", info.expires_at);
    object.emplace("scopes", array_of(info.scopes));
    return object;
}

}  // namespace

json::object brief(const vault::Info& info) {
    return brief_of(info);
}

json::object brief(const service::Verification& active) {
    return brief_of(active);
}

json::object full(const vault::Info& info) {
    json::object object = brief(info);
    object.emplace("origin", info.origin == vault::Origin::kIssued ? "issued" : "imported");
    put_unless_zero(object, "created_at", info.created_at);
    put_unless_zero(object, "changed_at", info.changed_at);
    put_unless_zero(object, "last_used_at", info.last_used_at);
    if (!info.last_used_by.empty()) object.emplace("last_used_by", info.last_used_by);
    object.emplace("description", info.description);
    if (info.uid) object.emplace("uid", *info.uid);
    if (!info.owners.empty()) object.emplace("owners", array_of(info.owners));
    if (info.revoked) object.emplace("revoked", true);
    if (info.rollback_protected) object.emplace("rollback_protected", *info.rollback_protected);
    return object;
}

json::object to_json(const service::Status& status) {
    json::object object = empty_object();
    object.emplace("state", status.state);
    object.emplace("message", status.message);
    object.emplace("version", status.version);
    object.emplace("hardware_kind", status.hardware_kind);
    object.emplace("hardware_model", status.hardware_model);
    object.emplace("hardware_serial", status.hardware_serial);
    object.emplace("hardware_state", status.hardware_state);
    object.emplace("hardware_policy", status.hardware_policy);
    object.emplace("rollback_protection", status.rollback_protection);
    object.emplace("memory_lock", status.memory_lock);
    object.emplace("epoch", status.epoch);
    object.emplace("epoch_pending", status.epoch_pending);
    object.emplace("policy_digest", status.policy_digest);
    if (!status.reload_error.empty()) object.emplace("reload_error", status.reload_error);
    if (status.recovery_pending) object.emplace("recovery_pending", *status.recovery_pending);
    object.emplace("accounts", status.accounts);
    object.emplace("tokens", status.tokens);
    object.emplace("verified", status.verified);
    object.emplace("verified_inactive", status.verified_inactive);
    object.emplace("audit_sequence", status.audit_sequence);
    object.emplace("audit_head", status.audit_head);
    object.emplace("audit_written", status.audit_written);
    if (!status.audit_error.empty()) object.emplace("audit_error", status.audit_error);
    if (!status.store_error.empty()) object.emplace("store_error", status.store_error);
    object.emplace("started_at", status.started_at);
    return object;
}

void put_token(json::object& parameters, BytesView token) {
    wire::Encoded encoded = wire::encode_secret(token);
    parameters.emplace("token", std::move(encoded.text));
    if (encoded.base64) parameters.emplace("base64", true);
}

}  // namespace hwvault::doors::varlink
