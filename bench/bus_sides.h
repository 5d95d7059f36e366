// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What bench_bus asks for: tokens of the vault, and items of gnome-keyring (the Secret Service's interface), each over the
// same client. A secret that comes is taken: its bytes are read.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "bench/bus.h"

namespace hwvault::bench {

// On a vault of bench_make_vault's, or what answers in its place.
class VaultOnBus {
public:
    explicit VaultOnBus(const std::string& address, const char* service = kVaultService) : bus_(address), service_(service) {}

    void ping();
    // The `default` of one of the busy accounts.
    void retrieve(std::size_t number);
    // A token that was not there, of an account that keeps below its quota; and away with all of them.
    void create();
    void erase_created();

private:
    Bus bus_;
    std::string service_;
    std::size_t created_{0};
};

class KeyringOnBus {
public:
    // Opens a session that does not encrypt, and adds items to the login keyring until there are so many.
    KeyringOnBus(const std::string& address, std::size_t items);

    void get_secret(std::size_t number);
    // An item beside the others; and away with all of them.
    void create();
    void erase_created();

private:
    void find_items();
    std::string add(const std::string& label);

    Bus bus_;
    std::string session_;
    std::vector<std::string> items_;  // their objects
    std::vector<std::string> created_;
};

}  // namespace hwvault::bench
