// SPDX-License-Identifier: LGPL-2.1-or-later
//
// A vault whose device will be lost, and the machine on which it is recovered.
#pragma once

#include <algorithm>
#include <set>

#include <sqlite3.h>

#include "daemon/service/recovery.h"
#include "tests/service/recovery_keys.h"

namespace hwvault::service {

// A vault with a device that will be lost.
class Lost : public Harness {
public:
    explicit Lost(const RecoveryKeys& keys)
        : Harness(keys.recipient_file()), signing_key(run(device().describe({}))->signing_key) {}

    Bytes signing_key;

    void wait_until_signed() {
        until([&] { return service().status().recovery_pending == 0; });
    }
    // Ends without the last signature, as a machine that dies.
    void die() {
        token->faults.gone = true;
        shut();
    }
    // Behind the store's back.
    void edit(const std::string& sql) const {
        sqlite3* connection = nullptr;
        REQUIRE(sqlite3_open(file().c_str(), &connection) == SQLITE_OK);
        INFO(sql);
        REQUIRE(sqlite3_exec(connection, sql.c_str(), nullptr, nullptr, nullptr) == SQLITE_OK);
        REQUIRE(sqlite3_close(connection) == SQLITE_OK);
    }
};

// Another machine with another device, and no store yet.
class NewMachine : public Harness {
public:
    explicit NewMachine(const std::filesystem::path& recipient) : Harness(recipient) {
        shut();
        for (const auto& left : std::filesystem::directory_iterator(folder.path())) std::filesystem::remove_all(left);
        plug_in();
    }

    Result<Recovered> recover(const Lost& lost, const RecoveryKeys& keys, bool revoke_all = false) {
        return recover_with(lost, {.recovery = keys.key(), .signing = lost.signing_key}, revoke_all);
    }
    Result<Recovered> recover_with(const Lost& lost, SignedStore::Keys keys, bool revoke_all = false) {
        vault::Event event;
        event.verb = vault::Verb::kRecover;
        event.time = now;
        event.decided_by = "test";
        RecoveryOrder order{
            .from = lost.file(), .keys = std::move(keys), .revoke_all = revoke_all, .event = std::move(event)};
        return run(recover_vault(opening_parts(), std::move(order)));
    }
};

inline std::set<std::string> names_of(const std::vector<LeftOut>& left_out) {
    std::set<std::string> names;
    for (const LeftOut& one : left_out) names.insert(one.token);
    return names;
}

// That nothing is taken from it, and why.
inline std::string refusal(const Lost& lost, const RecoveryKeys& keys, ErrorCode code = ErrorCode::kStoreTampered) {
    NewMachine fresh(keys.recipient_file());
    const auto recovered = fresh.recover(lost, keys);
    REQUIRE_FALSE(recovered);
    CHECK(recovered.error().code == code);
    CHECK(std::filesystem::is_empty(fresh.folder.path()));
    return recovered.error().message;
}

inline bool says(const std::string& message, std::string_view words) {
    INFO(message);
    return message.find(words) != std::string::npos;
}

}  // namespace hwvault::service
