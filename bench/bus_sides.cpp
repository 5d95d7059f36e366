// SPDX-License-Identifier: LGPL-2.1-or-later
#include "bench/bus_sides.h"

#include <array>
#include <cstdio>
#include <stdexcept>

#include <unistd.h>

namespace hwvault::bench {
namespace {

constexpr std::size_t kBusy = 64;         // accounts of bench_make_vault's
constexpr std::size_t kOfAccount = 900;   // tokens, of 1,000 that one may have

const std::string kKeyring = "org.freedesktop.secrets";
const std::string kLogin = "/org/freedesktop/secrets/collection/login";
constexpr std::size_t kSecretSize = 63;  // as a token's

// A token of ours that create() made.
struct Created {
    explicit Created(std::size_t number)
        : account("app:made-" + std::to_string(::getpid()) + "-" + std::to_string(number / kOfAccount)),
          name("m" + std::to_string(number % kOfAccount)) {}
    std::string account;
    std::string name;
};

}  // namespace

void VaultOnBus::ping() {
    bus_.send(bus_.call(service_, kVaultObject, "org.freedesktop.DBus.Peer", "Ping"));
}

void VaultOnBus::retrieve(std::size_t number) {
    const std::string account = "app:busy-" + std::to_string(number % kBusy);
    const Message call = bus_.call(service_, kVaultObject, kVaultInterface, "Retrieve");
    check_bus("sd_bus_message_append", sd_bus_message_append(call.get(), "ss", account.c_str(), "default"));
    const Message answer = bus_.send(call);
    int descriptor = -1;  // the message's
    check_bus("sd_bus_message_read", sd_bus_message_read(answer.get(), "h", &descriptor));
    std::array<char, 128> token;
    if (::pread(descriptor, token.data(), token.size(), 0) != 63) throw std::runtime_error("a token of another size came");
}

void VaultOnBus::create() {
    const Created made(created_++);
    const Message call = bus_.call(service_, kVaultObject, kVaultInterface, "Create");
    check_bus("sd_bus_message_append", sd_bus_message_append(call.get(), "ss", made.account.c_str(), made.name.c_str()));
    check_bus("sd_bus_message_open_container", sd_bus_message_open_container(call.get(), 'a', "{sv}"));
    // With an account's first token.
    if ((created_ - 1) % kOfAccount == 0) {
        check_bus("sd_bus_message_append", sd_bus_message_append(call.get(), "{sv}", "owners", "as", 1, "user:root"));
    }
    check_bus("sd_bus_message_close_container", sd_bus_message_close_container(call.get()));
    bus_.send(call);
}

void VaultOnBus::erase_created() {
    while (created_ > 0) {
        const Created made(--created_);
        const Message call = bus_.call(service_, kVaultObject, kVaultInterface, "Delete");
        check_bus("sd_bus_message_append", sd_bus_message_append(call.get(), "ss", made.account.c_str(), made.name.c_str()));
        bus_.send(call);
    }
}

KeyringOnBus::KeyringOnBus(const std::string& address, std::size_t items) : bus_(address) {
    const Message open = bus_.call(kKeyring, "/org/freedesktop/secrets", "org.freedesktop.Secret.Service", "OpenSession");
    check_bus("sd_bus_message_append", sd_bus_message_append(open.get(), "sv", "plain", "s", ""));
    const Message opened = bus_.send(open);
    const char* session = nullptr;
    check_bus("sd_bus_message_read", sd_bus_message_read(opened.get(), "vo", "s", nullptr, &session));
    session_ = session;
    find_items();
    while (items_.size() < items) items_.push_back(add("item " + std::to_string(items_.size())));
}

void KeyringOnBus::find_items() {
    const Message ask = bus_.call(kKeyring, kLogin, "org.freedesktop.DBus.Properties", "Get");
    check_bus("sd_bus_message_append", sd_bus_message_append(ask.get(), "ss", "org.freedesktop.Secret.Collection", "Items"));
    const Message answer = bus_.send(ask);
    check_bus("sd_bus_message_enter_container", sd_bus_message_enter_container(answer.get(), 'v', "ao"));
    check_bus("sd_bus_message_enter_container", sd_bus_message_enter_container(answer.get(), 'a', "o"));
    const char* item = nullptr;
    while (sd_bus_message_read(answer.get(), "o", &item) > 0) items_.emplace_back(item);
}

std::string KeyringOnBus::add(const std::string& label) {
    const Message call = bus_.call(kKeyring, kLogin, "org.freedesktop.Secret.Collection", "CreateItem");
    check_bus("sd_bus_message_open_container", sd_bus_message_open_container(call.get(), 'a', "{sv}"));
    check_bus("sd_bus_message_append",
              sd_bus_message_append(call.get(), "{sv}", "org.freedesktop.Secret.Item.Label", "s", label.c_str()));
    check_bus("sd_bus_message_close_container", sd_bus_message_close_container(call.get()));
    const std::string secret(kSecretSize, 's');
    check_bus("sd_bus_message_open_container", sd_bus_message_open_container(call.get(), 'r', "oayays"));
    check_bus("sd_bus_message_append", sd_bus_message_append(call.get(), "o", session_.c_str()));
    check_bus("sd_bus_message_append_array", sd_bus_message_append_array(call.get(), 'y', nullptr, 0));
    check_bus("sd_bus_message_append_array", sd_bus_message_append_array(call.get(), 'y', secret.data(), secret.size()));
    check_bus("sd_bus_message_append", sd_bus_message_append(call.get(), "s", "text/plain"));
    check_bus("sd_bus_message_close_container", sd_bus_message_close_container(call.get()));
    check_bus("sd_bus_message_append", sd_bus_message_append(call.get(), "b", 0));
    const Message answer = bus_.send(call);
    const char* item = nullptr;
    const char* prompt = nullptr;
    check_bus("sd_bus_message_read", sd_bus_message_read(answer.get(), "oo", &item, &prompt));
    if (std::string(item) == "/") throw std::runtime_error("gnome-keyring's login keyring is locked.");
    return item;
}

void KeyringOnBus::get_secret(std::size_t number) {
    const Message call = bus_.call(kKeyring, items_[number % items_.size()], "org.freedesktop.Secret.Item", "GetSecret");
    check_bus("sd_bus_message_append", sd_bus_message_append(call.get(), "o", session_.c_str()));
    const Message answer = bus_.send(call);
    check_bus("sd_bus_message_enter_container", sd_bus_message_enter_container(answer.get(), 'r', "oayays"));
    check_bus("sd_bus_message_skip", sd_bus_message_skip(answer.get(), "oay"));
    const void* bytes = nullptr;
    std::size_t size = 0;
    check_bus("sd_bus_message_read_array", sd_bus_message_read_array(answer.get(), 'y', &bytes, &size));
    if (size != kSecretSize) throw std::runtime_error("a secret of another size came");
}

void KeyringOnBus::create() {
    created_.push_back(add("beside"));
}

void KeyringOnBus::erase_created() {
    for (const std::string& item : created_) bus_.send(bus_.call(kKeyring, item, "org.freedesktop.Secret.Item", "Delete"));
    created_.clear();
}

}  // namespace hwvault::bench
