// SPDX-License-Identifier: LGPL-2.1-or-later
#include "daemon/doors/dbus/translate.h"

#include <cstdint>
#include <utility>
#include <vector>

#include <fcntl.h>

namespace hwvault::doors::dbus {
namespace {

using Strings = std::vector<std::string>;

std::string_view word(vault::Origin origin) {
    return origin == vault::Origin::kImported ? "imported" : "issued";
}

template <class T>
void put(Dictionary& dictionary, const char* key, const T& value) {
    dictionary.emplace(key, sdbus::Variant(value));
}

// The value, when it has the type T.
template <class T>
std::optional<T> value_of(const sdbus::Variant& variant) {
    if (!variant.containsValueOfType<T>()) return std::nullopt;
    return variant.get<T>();
}

template <class T>
std::optional<T> find(const Dictionary& dictionary, const char* key) {
    const auto found = dictionary.find(key);
    if (found == dictionary.end()) return std::nullopt;
    return value_of<T>(found->second);
}

template <class T>
Result<void> take_option(std::optional<T>& target, const std::string& key, const sdbus::Variant& variant,
                         std::string_view expected) {
    target = value_of<T>(variant);
    if (target) return {};
    return Error{ErrorCode::kInvalidArgument, "The option " + key + " has the D-Bus type `" +
                                                  std::string(variant.peekValueType()) + "`; send it as `" +
                                                  std::string(expected) + "`."};
}

}  // namespace

Dictionary brief_dictionary(const vault::Info& info) {
    Dictionary dictionary;
    put(dictionary, "account", info.account);
    put(dictionary, "name", info.name);
    put(dictionary, "id", info.id);
    put(dictionary, "generation", info.generation);
    if (info.expires_at != vault::kNever) put(dictionary, "expires_at", info.expires_at);
    put(dictionary, "scopes", info.scopes);
    return dictionary;
}

Dictionary full_dictionary(const vault::Info& info) {
    auto dictionary = brief_dictionary(info);
    put(dictionary, "origin", std::string(word(info.origin)));
    put(dictionary, "created_at", info.created_at);
    put(dictionary, "changed_at", info.changed_at);
    put(dictionary, "last_used_at", info.last_used_at);
    put(dictionary, "description", info.description);
    if (info.revoked) put(dictionary, "revoked", true);
    if (info.rollback_protected) put(dictionary, "rollback_protected", *info.rollback_protected);
    return dictionary;
}

Dictionary status_dictionary(const service::Status& status) {
    Dictionary dictionary;
    put(dictionary, "state", status.state);
    put(dictionary, "message", status.message);
    put(dictionary, "version", status.version);
    put(dictionary, "hardware_kind", status.hardware_kind);
    put(dictionary, "hardware_model", status.hardware_model);
    put(dictionary, "hardware_serial", status.hardware_serial);
    put(dictionary, "hardware_state", status.hardware_state);
    put(dictionary, "rollback_protection", status.rollback_protection);
    put(dictionary, "memory_lock", status.memory_lock);
    put(dictionary, "epoch", status.epoch);
    put(dictionary, "epoch_pending", status.epoch_pending);
    put(dictionary, "accounts", status.accounts);
    put(dictionary, "tokens", status.tokens);
    put(dictionary, "verified", status.verified);
    put(dictionary, "verified_inactive", status.verified_inactive);
    put(dictionary, "audit_sequence", status.audit_sequence);
    put(dictionary, "started_at", status.started_at);
    return dictionary;
}

Result<vault::CreateOptions> options_of(const Dictionary& options) {
    vault::CreateOptions parsed;
    for (const auto& [key, value] : options) {
        if (key == "scopes") {
            HWVAULT_CHECK(take_option<Strings>(parsed.scopes, key, value, "as"));
        } else if (key == "expires_in") {
            HWVAULT_CHECK(take_option<std::uint64_t>(parsed.expires_in, key, value, "t"));
        } else if (key == "description") {
            HWVAULT_CHECK(take_option<std::string>(parsed.description, key, value, "s"));
        } else if (key == "owners") {
            HWVAULT_CHECK(take_option<Strings>(parsed.owners, key, value, "as"));
        } else {
            return Error{ErrorCode::kInvalidArgument,
                         "There is no option " + key + "; there are scopes, expires_in, description and owners."};
        }
    }
    return parsed;
}

Result<peer::Credentials> credentials_of_bus(const Dictionary& answer) {
    const auto uid = find<std::uint32_t>(answer, "UnixUserID");
    if (!uid) return Error{ErrorCode::kAccessDenied, "The message bus does not say which user is calling."};
    peer::Credentials credentials;
    credentials.uid = *uid;
    if (auto groups = find<std::vector<std::uint32_t>>(answer, "UnixGroupIDs")) credentials.gids = std::move(*groups);
    credentials.pid = static_cast<std::int32_t>(find<std::uint32_t>(answer, "ProcessID").value_or(0));
    if (auto process = find<sdbus::UnixFd>(answer, "ProcessFD")) {
        credentials.pidfd = take_descriptor(std::move(*process));
    }
    return credentials;
}

sdbus::Error error_of(const Error& error) {
    return make_error("org.hwvault.Error." + std::string(hwvault::word(error.code)), error.message);
}

os::Fd take_descriptor(sdbus::UnixFd&& descriptor) {
    os::Fd taken{descriptor.release()};
    ::fcntl(taken.get(), F_SETFD, FD_CLOEXEC);  // sdbus-c++ 1.2 duplicates it with dup(2)
    return taken;
}

}  // namespace hwvault::doors::dbus
