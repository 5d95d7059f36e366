// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Changing who can recover a vault: every string is encrypted anew, on the record.
#include "tests/service/lost.h"

using namespace hwvault;
using namespace hwvault::service;

TEST_CASE("A new recipient gets every string, and the old one opens nothing any more") {
    const RecoveryKeys old_keys;
    const RecoveryKeys new_keys;
    Lost lost(old_keys);
    const std::string own = lost.get(lost.alice);
    REQUIRE(lost.run(lost.service().import(lost.alice, "", "npm", secret("of others"), {})));
    REQUIRE(lost.run(lost.service().create(lost.alice, "", "idle", {})));
    const std::uint64_t events = lost.service().status().audit_sequence;
    lost.shut();
    lost.plug_in();
    vault::Event event;
    event.verb = vault::Verb::kRecover;
    event.time = lost.now;
    event.decided_by = "recover --new-recipient";
    CHECK(lost.run(change_recipient(lost.opening_parts(), event)).error().code == ErrorCode::kInvalidArgument);

    lost.recipient_file = new_keys.recipient_file();
    const auto changed = lost.run(change_recipient(lost.opening_parts(), event));
    REQUIRE(changed);
    CHECK(changed->strings == 2);
    CHECK(changed->fingerprint == new_keys.key().fingerprint());
    lost.start();
    CHECK(lost.service().status().state == "serving");
    CHECK(lost.get(lost.alice) == own);
    CHECK(lost.service().status().audit_sequence > events);
    lost.shut();
    CHECK(says(refusal(lost, old_keys, ErrorCode::kInvalidArgument), "wrong recovery key"));
    NewMachine fresh(new_keys.recipient_file());
    const auto recovered = fresh.recover(lost, new_keys);
    REQUIRE(recovered);
    CHECK(recovered->strings == 2);
    fresh.start();
    CHECK(fresh.get(fresh.alice) == own);
    CHECK(fresh.get(fresh.alice, "", "npm") == "of others");
}

TEST_CASE("Recovery can be begun and ended in a vault that is in use") {
    const RecoveryKeys keys;
    Lost vault(keys);
    vault.shut();
    std::filesystem::remove(vault.file());
    vault.recipient_file.clear();
    vault.start();
    const std::string own = vault.get(vault.alice);
    vault.shut();
    vault.plug_in();
    vault.recipient_file = keys.recipient_file();
    vault.signing_key = vault.run(vault.device().describe({}))->signing_key;
    vault::Event event;
    event.time = vault.now;
    CHECK(vault.run(change_recipient(vault.opening_parts(), event))->strings == 1);
    {
        NewMachine fresh(keys.recipient_file());
        REQUIRE(fresh.recover(vault, keys));
        fresh.start();
        CHECK(fresh.get(fresh.alice) == own);
    }
    vault.recipient_file.clear();
    CHECK_FALSE(vault.run(change_recipient(vault.opening_parts(), event))->fingerprint);
    vault.start();
    CHECK(vault.get(vault.alice) == own);
    vault.shut();
    CHECK(says(refusal(vault, keys, ErrorCode::kInvalidArgument), "made without recovery"));
}

TEST_CASE("A new recipient is refused on another device, and nothing is changed") {
    const RecoveryKeys keys;
    const RecoveryKeys new_keys;
    Lost vault(keys);
    const std::string own = vault.get(vault.alice);
    vault.shut();
    const auto device = vault.token;
    vault.token = std::make_shared<hardware::FakeToken>();
    vault.plug_in();
    vault.recipient_file = new_keys.recipient_file();
    CHECK_FALSE(vault.run(change_recipient(vault.opening_parts(), {})));
    vault.token = device;
    vault.recipient_file = keys.recipient_file();
    vault.start();
    CHECK(vault.get(vault.alice) == own);
}
