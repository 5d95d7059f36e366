// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What the store's tests share: a folder of their own, a small vault to put in, everything that a store gives in
// one comparable value, and a second, raw connection to edit the file behind the store's back.
#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "daemon/audit/trail.h"
#include "daemon/store/store.h"
#include "tests/catch.h"

namespace hwvault::store::testing {

using std::filesystem::path;

class TemporaryFolder {
public:
    TemporaryFolder();
    TemporaryFolder(const TemporaryFolder&) = delete;
    TemporaryFolder& operator=(const TemporaryFolder&) = delete;
    ~TemporaryFolder();
    [[nodiscard]] const path& get() const { return folder_; }

private:
    path folder_;
};

// What the device would have derived; each number is another device.
SecretBytes root_key(std::uint8_t device = 1);
vault::Id id_of(std::uint8_t kind, std::uint64_t number);
vault::Account account_of(std::uint64_t number, std::string_view name);
vault::Token token_of(std::uint64_t number, const vault::Account& account, std::string_view name);
vault::Token imported_token_of(std::uint64_t number, const vault::Account& account, std::string_view name);

// Everything that a store holds, in an order of its own.
struct Snapshot {
    std::vector<vault::Account> accounts;
    std::vector<vault::Token> tokens;
    std::map<vault::Id, Bytes> contents;
    std::vector<Bytes> events;
    std::uint64_t epoch{0};
    std::uint64_t device_target{0};
    vault::UnixTime time_mark{0};
    crypto::Digest audit_head{};
    friend bool operator==(const Snapshot&, const Snapshot&) = default;
};
// Opens the store, and reads all of it, following the audit trail as the daemon does at its start.
Result<Snapshot> read_all(const path& file, const SecretBytes& root);
// For Store::open(): puts the records into `all`.
TakeRecords add_to(Records& all);

// A store under work, with the trail that goes with it.
struct OpenStore {
    std::unique_ptr<Store> store;
    audit::Trail trail;
    std::uint64_t epoch{0};
    vault::UnixTime time{0};

    // One commit with an audit event; `withdraws` raises the epoch.
    Result<void> commit(vault::Change change, bool withdraws = false);
};
OpenStore open_store(const path& file, const SecretBytes& root);
path new_store(const TemporaryFolder& folder, std::string_view name = "store.db", std::uint8_t vault_number = 1);

vault::Change put(vault::Account account);
vault::Change put(vault::Token token, std::optional<Bytes> content = std::nullopt);
vault::Change erase(vault::Token token);

// alice's `default`, and the app `deploy` with `ci`, `release` and the imported `stripe`; made in five commits.
// Row numbers: 1 alice, 2 her default, 3 deploy, 4 ci, 5 release, 6 stripe.
path sample_store(const TemporaryFolder& folder);
void fill_sample(OpenStore& store);

// Runs SQL over a connection with no defence at all.
void edit_raw(const path& file, const std::string& sql);

// Copies the file and its -wal as a crash would leave them.
void copy_store(const path& from, const path& to);
Bytes file_bytes(const path& file);
void write_bytes(const path& file, BytesView bytes);
path wal_of(const path& file);

}  // namespace hwvault::store::testing
