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

template <class T>
void write(sdbus::Message& message, const char* key, const char* type, const T& value) {
    message.openDictEntry("sv");
    message << key;
    message.openVariant(type);
    message << value;
    message.closeVariant();
    message.closeDictEntry();
}

void write_brief(sdbus::Message& message, const vault::Info& info) {
    write(message, "account", "s", info.account);
    if (info.expires_at != vault::kNever) write(message, "expires_at", "t", info.expires_at);
    write(message, "generation", "t", info.generation);
    write(message, "id", "s", info.id);
    write(message, "name", "s", info.name);
    write(message, "scopes", "as", info.scopes);
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

std::size_t size_of(std::uint64_t number) {
    return sizeof number;
}
std::size_t size_of(const std::string& text) {
    return text.size();
}
std::size_t size_of(const Strings& texts) {
    std::size_t size = texts.size();
    for (const std::string& text : texts) size += text.size();
    return size;
}

// More than the value of any option that is right: 32 scopes of 64 bytes, or 16 owners of 261.
constexpr std::size_t kMaxOptionSize = 8192;

template <class T>
Result<void> take_option(std::optional<T>& target, const std::string& key, const sdbus::Variant& variant,
                         std::string_view expected) {
    if (target) return invalid_argument("The option " + key + " is there twice.");
    target = value_of<T>(variant);
    if (!target) {
        return invalid_argument("The option " + key + " has the D-Bus type `" + std::string(variant.peekValueType()) +
                                "`; send it as `" + std::string(expected) + "`.");
    }
    if (size_of(*target) > kMaxOptionSize) return invalid_argument("The option " + key + " is too long.");
    return {};
}

// The value of one key, which the message has come to.
Result<void> read_option(sdbus::Message& message, const std::string& key, vault::CreateOptions& options) {
    const auto value = [&message] {
        sdbus::Variant variant;
        message >> variant;
        return variant;
    };
    if (key == "scopes") return take_option<Strings>(options.scopes, key, value(), "as");
    if (key == "expires_in") return take_option<std::uint64_t>(options.expires_in, key, value(), "t");
    if (key == "description") return take_option<std::string>(options.description, key, value(), "s");
    if (key == "owners") return take_option<Strings>(options.owners, key, value(), "as");
    return invalid_argument("There is no option " + key.substr(0, 64) +
                            "; there are scopes, expires_in, description and owners.");
}

// What follows the first wrong key stays unread, and goes with the message.
Result<vault::CreateOptions> read_options(sdbus::Message& message) {
    vault::CreateOptions options;
    if (!message.enterContainer("{sv}")) return invalid_argument("The options are to be of the D-Bus type `a{sv}`.");
    while (message.enterDictEntry("sv")) {
        std::string key;
        message >> key;
        HWVAULT_CHECK(read_option(message, key, options));
        message.exitDictEntry();
    }
    message.clearFlags();
    message.exitContainer();
    return options;
}

}  // namespace

sdbus::Message& operator<<(sdbus::Message& message, const Brief& brief) {
    message.openContainer("{sv}");
    if (brief.info) write_brief(message, *brief.info);
    message.closeContainer();
    return message;
}

Brief brief_of(const service::Verification& verified) {
    Brief brief;
    if (!verified.active) return brief;
    vault::Info& info = brief.info.emplace();
    info.account = verified.account;
    info.name = verified.name;
    info.id = verified.id;
    info.generation = verified.generation;
    info.expires_at = verified.expires_at;
    info.scopes.assign(verified.scopes.begin(), verified.scopes.end());
    return brief;
}

Dictionary full_dictionary(const vault::Info& info) {
    Dictionary dictionary;
    put(dictionary, "account", info.account);
    put(dictionary, "name", info.name);
    put(dictionary, "id", info.id);
    put(dictionary, "generation", info.generation);
    if (info.expires_at != vault::kNever) put(dictionary, "expires_at", info.expires_at);
    put(dictionary, "scopes", info.scopes);
    put(dictionary, "origin", std::string(word(info.origin)));
    put(dictionary, "created_at", info.created_at);
    put(dictionary, "changed_at", info.changed_at);
    put(dictionary, "last_used_at", info.last_used_at);
    if (!info.last_used_by.empty()) put(dictionary, "last_used_by", info.last_used_by);
    put(dictionary, "description", info.description);
    if (info.uid) put(dictionary, "uid", std::uint64_t{*info.uid});
    if (!info.owners.empty()) put(dictionary, "owners", info.owners);
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
    put(dictionary, "hardware_policy", status.hardware_policy);
    put(dictionary, "rollback_protection", status.rollback_protection);
    put(dictionary, "memory_lock", status.memory_lock);
    put(dictionary, "epoch", status.epoch);
    put(dictionary, "epoch_pending", status.epoch_pending);
    put(dictionary, "policy_digest", status.policy_digest);
    if (!status.reload_error.empty()) put(dictionary, "reload_error", status.reload_error);
    if (status.recovery_pending) put(dictionary, "recovery_pending", *status.recovery_pending);
    put(dictionary, "accounts", status.accounts);
    put(dictionary, "tokens", status.tokens);
    put(dictionary, "verified", status.verified);
    put(dictionary, "verified_inactive", status.verified_inactive);
    put(dictionary, "audit_sequence", status.audit_sequence);
    put(dictionary, "audit_head", status.audit_head);
    put(dictionary, "audit_written", status.audit_written);
    if (!status.audit_error.empty()) put(dictionary, "audit_error", status.audit_error);
    if (!status.store_error.empty()) put(dictionary, "store_error", status.store_error);
    put(dictionary, "started_at", status.started_at);
    return dictionary;
}

sdbus::Message& operator>>(sdbus::Message& message, Options& options) {
    options.read = read_options(message);
    return message;
}

Result<peer::Credentials> credentials_of_bus(const Dictionary& answer) {
    const auto uid = find<std::uint32_t>(answer, "UnixUserID");
    if (!uid) return Error{ErrorCode::kAccessDenied, "The message bus does not say which user is calling."};
    peer::Credentials credentials;
    credentials.uid = *uid;
    if (auto groups = find<std::vector<std::uint32_t>>(answer, "UnixGroupIDs")) credentials.gids = std::move(*groups);
    credentials.pid = static_cast<std::int32_t>(find<std::uint32_t>(answer, "ProcessID").value_or(0));
    if (auto process = find<sdbus::UnixFd>(answer, "ProcessFD")) {
        credentials.pidfd = std::make_shared<const os::Fd>(take_descriptor(std::move(*process)));
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
