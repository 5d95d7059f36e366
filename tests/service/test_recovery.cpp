// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The device is gone, with every key: what comes back on another one, what does not, and what nobody can plant.
#include "daemon/service/recovery.h"

#include <algorithm>
#include <set>

#include "daemon/service/escrow.h"
#include "tests/service/lost.h"

using namespace hwvault;
using namespace hwvault::service;

TEST_CASE("Every token comes back on another device, with the same string") {
    const RecoveryKeys keys;
    Lost lost(keys);
    const std::string own = lost.get(lost.alice);
    vault::CreateOptions options;
    options.scopes = {"push"};
    options.description = "nightly";
    options.expires_in = 3'600;
    REQUIRE(lost.run(lost.service().create(lost.alice, "", "deploy", options)));
    const std::string deploy = lost.get(lost.alice, "", "deploy");
    REQUIRE(lost.run(lost.service().create(lost.alice, "", "idle", {})));
    const std::string binary("\x00\xff\n", 3);
    REQUIRE(lost.run(lost.service().import(lost.bob, "", "npm", secret(binary), {})));
    const vault::Info described = lost.service().describe(lost.alice, "", "deploy").value();
    lost.shut();

    NewMachine fresh(GENERATE(false, true) ? keys.recipient_file() : std::filesystem::path());
    const auto recovered = fresh.recover(lost, keys);
    REQUIRE(recovered);
    CHECK(recovered->strings == 3);
    CHECK(recovered->without_string == 1);
    CHECK(recovered->left_out.empty());
    CHECK(recovered->in_escrow == !fresh.recipient_file.empty());
    fresh.start();
    CHECK(fresh.service().status().state == "serving");
    CHECK(fresh.active(own));
    CHECK(fresh.active(deploy));
    CHECK(fresh.get(fresh.alice) == own);
    CHECK(fresh.get(fresh.alice, "", "deploy") == deploy);
    CHECK(fresh.get(fresh.bob, "", "npm") == binary);
    const vault::Info again = fresh.service().describe(fresh.alice, "", "deploy").value();
    CHECK(again.id == described.id);
    CHECK(again.scopes == described.scopes);
    CHECK(again.description == described.description);
    CHECK(again.expires_at == described.expires_at);
    CHECK(again.created_at == described.created_at);
    CHECK(fresh.get(fresh.alice, "", "idle").size() == own.size());
}

TEST_CASE("A recovered token is rotated and revoked as any other, and its successor is derived") {
    const RecoveryKeys keys;
    Lost lost(keys);
    const std::string own = lost.get(lost.alice);
    REQUIRE(lost.run(lost.service().create(lost.alice, "", "deploy", {})));
    const std::string deploy = lost.get(lost.alice, "", "deploy");
    lost.shut();
    NewMachine fresh(keys.recipient_file());
    REQUIRE(fresh.recover(lost, keys));
    fresh.start();

    REQUIRE(fresh.run(fresh.service().revoke(fresh.alice, "", "", 0))->rollback_protected == true);
    CHECK_FALSE(fresh.active(own));
    const std::string next = fresh.get(fresh.alice);
    CHECK(next != own);
    REQUIRE(fresh.run(fresh.service().rotate(fresh.alice, "", "deploy", 0, 60)));
    CHECK(fresh.active(deploy));
    const std::string after = fresh.get(fresh.alice, "", "deploy");
    CHECK(after != deploy);
    fresh.now += 61;
    CHECK_FALSE(fresh.active(deploy));
    fresh.restart();
    CHECK(fresh.get(fresh.alice) == next);
    CHECK(fresh.get(fresh.alice, "", "deploy") == after);
    CHECK_FALSE(fresh.active(own));
}

TEST_CASE("What was recovered can be recovered again") {
    const RecoveryKeys keys;
    Lost first(keys);
    const std::string own = first.get(first.alice);
    first.shut();
    Lost second(keys);
    second.shut();
    std::filesystem::remove(second.file());
    second.plug_in();
    vault::Event event;
    event.time = second.now;
    RecoveryOrder order{.from = first.file(),
                        .keys = {.recovery = keys.key(), .signing = first.signing_key},
                        .revoke_all = false,
                        .event = std::move(event)};
    REQUIRE(second.run(recover_vault(second.opening_parts(), std::move(order))));
    second.start();
    second.until([&] { return second.device().last_sequence > 0; });
    second.shut();
    NewMachine third(keys.recipient_file());
    REQUIRE(third.recover(second, keys));
    third.start();
    CHECK(third.get(third.alice) == own);
}

TEST_CASE("With revoke_all every issued token gets a new string, and imported ones stay") {
    const RecoveryKeys keys;
    Lost lost(keys);
    const std::string own = lost.get(lost.alice);
    REQUIRE(lost.run(lost.service().import(lost.alice, "", "npm", secret("of others"), {})));
    lost.shut();
    NewMachine fresh(keys.recipient_file());
    const auto recovered = fresh.recover(lost, keys, true);
    REQUIRE(recovered);
    CHECK(recovered->replaced == 1);
    CHECK(recovered->strings == 1);
    fresh.start();
    CHECK_FALSE(fresh.active(own));
    CHECK(fresh.get(fresh.alice) != own);
    CHECK(fresh.service().describe(fresh.alice, "", "")->generation == 2);
    CHECK(fresh.get(fresh.alice, "", "npm") == "of others");
    CHECK(fresh.service().status().epoch == recovered->checkpoint.epoch + 1);
}

TEST_CASE("With revoke_all nothing lives on in an overlap either, whatever became of the current string") {
    const RecoveryKeys keys;
    Lost lost(keys);
    for (const std::string name : {"unfetched", "revoked"}) REQUIRE(lost.run(lost.service().create(lost.alice, "", name, {})));
    const std::string unfetched = lost.get(lost.alice, "", "unfetched");
    const std::string revoked = lost.get(lost.alice, "", "revoked");
    for (const std::string name : {"unfetched", "revoked"}) REQUIRE(lost.run(lost.service().rotate(lost.alice, "", name, 0, 60)));
    lost.get(lost.alice, "", "revoked");
    REQUIRE(lost.run(lost.service().revoke(lost.alice, "", "revoked", 2)));
    CHECK(lost.active(unfetched));
    CHECK(lost.active(revoked));
    lost.shut();
    NewMachine fresh(keys.recipient_file());
    REQUIRE(fresh.recover(lost, keys, true));
    fresh.start();
    CHECK_FALSE(fresh.active(unfetched));
    CHECK_FALSE(fresh.active(revoked));
}

TEST_CASE("A vault that was recovered once more makes the one before an old store") {
    const RecoveryKeys keys;
    Lost lost(keys);
    const std::string own = lost.get(lost.alice);
    lost.shut();
    NewMachine fresh(keys.recipient_file());
    REQUIRE(fresh.recover(lost, keys)->device_told);
    const auto first = fresh.folder.path() / "first.db";
    std::filesystem::rename(fresh.file(), first);
    REQUIRE(fresh.recover(lost, keys, true)->device_told);
    std::filesystem::rename(first, fresh.file());
    fresh.start();
    CHECK(fresh.service().status().state == "rolled-back");
    CHECK(fresh.service().verify(fresh.root, bytes_of(own)).error().code == ErrorCode::kRolledBack);
}

TEST_CASE("What had expired stays so on a machine whose clock is behind") {
    const RecoveryKeys keys;
    Lost lost(keys);
    vault::CreateOptions options;
    options.expires_in = 100;
    REQUIRE(lost.run(lost.service().create(lost.alice, "", "short", options)));
    const std::string brief = lost.get(lost.alice, "", "short");
    lost.now += 101;
    const std::string own = lost.get(lost.alice);
    CHECK_FALSE(lost.active(brief));
    lost.shut();
    NewMachine fresh(keys.recipient_file());
    fresh.now = lost.now - 100'000;
    const auto recovered = fresh.recover(lost, keys);
    REQUIRE(recovered);
    CHECK(recovered->clock_is_behind);
    fresh.start();
    CHECK(fresh.active(own));
    CHECK_FALSE(fresh.active(brief));
}

TEST_CASE("What was taken away after the last signature stays away, and what is newer is named") {
    const RecoveryKeys keys;
    Lost lost(keys);
    for (const std::string name : {"revoked", "deleted", "rotated", "kept", "given"}) {
        REQUIRE(lost.run(lost.service().create(lost.alice, "", name, {})));
    }
    const std::string revoked = lost.get(lost.alice, "", "revoked");
    const std::string deleted = lost.get(lost.alice, "", "deleted");
    const std::string rotated = lost.get(lost.alice, "", "rotated");
    const std::string kept = lost.get(lost.alice, "", "kept");
    vault::CreateOptions owned;
    owned.owners = {"user:alice", "user:bob"};
    REQUIRE(lost.run(lost.service().create(lost.root, "app:shop", "", owned)));
    const std::string shop = lost.get(lost.alice, "app:shop");
    lost.wait_until_signed();
    lost.device().refuse_checkpoint = true;

    lost.device().plug(false);
    REQUIRE(lost.run(lost.service().revoke(lost.alice, "", "revoked", 0)));
    REQUIRE(lost.run(lost.service().erase(lost.alice, "", "deleted")));
    REQUIRE(lost.run(lost.service().rotate(lost.alice, "", "rotated", 0, 60)));
    vault::CreateOptions fewer;
    fewer.owners = {"user:alice", "user:carol"};
    REQUIRE(lost.run(lost.service().create(lost.root, "app:shop", "", fewer)));
    REQUIRE(lost.run(lost.service().create(lost.alice, "", "newer", {})));
    lost.token->faults.gone = false;
    const std::string given = lost.get(lost.alice, "", "given");
    lost.die();

    NewMachine fresh(keys.recipient_file());
    const auto recovered = fresh.recover(lost, keys);
    REQUIRE(recovered);
    CHECK(names_of(recovered->left_out) == std::set<std::string>{"user:alice/newer", "user:alice/given",
                                                                 "user:alice/rotated"});
    fresh.start();
    CHECK_FALSE(fresh.active(rotated));
    CHECK_FALSE(fresh.active(revoked));
    CHECK_FALSE(fresh.active(deleted));
    CHECK_FALSE(fresh.active(given));
    CHECK(fresh.active(kept));
    CHECK(fresh.get(fresh.alice, "", "given") != given);
    CHECK(fresh.get(fresh.alice, "app:shop") == shop);
    CHECK(fresh.run(fresh.service().retrieve({fresh.bob}, "app:shop", "")).error().code == ErrorCode::kAccessDenied);
    const policy::Caller carol = user("carol", 1002);
    CHECK(fresh.run(fresh.service().retrieve({carol}, "app:shop", "")).error().code == ErrorCode::kAccessDenied);
}

TEST_CASE("A generation that lived on in an overlap does so after recovery, to the same end") {
    const RecoveryKeys keys;
    Lost lost(keys);
    REQUIRE(lost.run(lost.service().create(lost.alice, "", "deploy", {})));
    const std::string old = lost.get(lost.alice, "", "deploy");
    REQUIRE(lost.run(lost.service().rotate(lost.alice, "", "deploy", 0, 60)));
    const std::string next = lost.get(lost.alice, "", "deploy");
    lost.shut();
    NewMachine fresh(keys.recipient_file());
    REQUIRE(fresh.recover(lost, keys));
    fresh.start();
    CHECK(fresh.active(old));
    CHECK(fresh.get(fresh.alice, "", "deploy") == next);
    fresh.now += 61;
    CHECK_FALSE(fresh.active(old));
    CHECK(fresh.active(next));
}

TEST_CASE("A record that somebody planted makes the whole store refused, and is named where it tells by itself") {
    const RecoveryKeys keys;
    Lost lost(keys);
    lost.get(lost.alice);
    lost.get(lost.bob);
    lost.shut();
    const std::string alices = "(SELECT row FROM records WHERE escrow IS NOT NULL ORDER BY row LIMIT 1)";
    const std::string bobs = "(SELECT row FROM records WHERE escrow IS NOT NULL ORDER BY row DESC LIMIT 1)";
    SECTION("another's escrow in a record") {
        lost.edit("UPDATE records SET escrow = (SELECT escrow FROM records WHERE row = " + bobs + ") WHERE row = " + alices);
        CHECK(says(refusal(lost, keys), "Not good by themselves: user:alice/default."));
    }
    SECTION("an escrow that does not open") {
        lost.edit("UPDATE records SET escrow = x'00' WHERE row = " + bobs);
        CHECK(says(refusal(lost, keys), "Not good by themselves: user:bob/default."));
    }
    SECTION("an escrow dropped") { lost.edit("UPDATE records SET escrow = NULL WHERE row = " + bobs); }
    SECTION("a record dropped") { lost.edit("DELETE FROM records WHERE row = " + bobs); }
    SECTION("a record added") {
        lost.edit("INSERT INTO records SELECT 99, kind, zeroblob(16), version, body, content, mac, escrow FROM records"
                  " WHERE row = " + bobs);
    }
    SECTION("another owner of the same string") {
        lost.edit("UPDATE records SET body = (SELECT body FROM records WHERE row = " + alices + ") WHERE row = " + bobs);
    }
    CHECK(says(refusal(lost, keys), "is not what its device signed"));
}

TEST_CASE("A planted record that says it is newer than the signature is not taken") {
    const RecoveryKeys keys;
    Lost lost(keys);
    const std::string own = lost.get(lost.alice);
    lost.shut();
    lost.edit("INSERT INTO records SELECT 99, kind, zeroblob(16), version, body, content, mac, escrow FROM records"
              " WHERE escrow IS NOT NULL; INSERT INTO images (round, id, image) VALUES (1000, zeroblob(16), NULL)");
    NewMachine fresh(keys.recipient_file());
    const auto recovered = fresh.recover(lost, keys);
    REQUIRE(recovered);
    CHECK(recovered->strings == 1);
    CHECK(names_of(recovered->left_out) == std::set<std::string>{"user:alice/default"});
    fresh.start();
    CHECK(fresh.service().status().tokens == 1);
    CHECK(fresh.get(fresh.alice) == own);
}

TEST_CASE("An escrow that was signed and is not its token's string is left out, and named") {
    const RecoveryKeys keys;
    Lost lost(keys);
    const std::string alices = lost.get(lost.alice);
    const std::string bobs = lost.get(lost.bob);
    lost.shut();
    {
        // As a hwvaultd that has gone wrong would do it.
        hardware::FakeDevice device(lost.token);
        const auto header = store::Store::read_header(lost.file()).value();
        const SecretBytes root = device.derive(hardware::Label::kStore, store::store_context(header)).value();
        store::Records records;
        const auto opened = store::Store::open(lost.file(), root, [&](store::Records some) {
            std::ranges::move(some.accounts, std::back_inserter(records.accounts));
            std::ranges::move(some.tokens, std::back_inserter(records.tokens));
        }).value();
        const store::Contents contents = opened->take_contents();
        const auto account = std::ranges::find_if(
            records.accounts, [](const vault::Account& one) { return one.name.text() == "user:alice"; });
        const vault::Token token = *std::ranges::find(records.tokens, account->id, &vault::Token::account);
        const SecretBytes other = crypto::make_token_text("hwv_", token.current().id, SecretBytes(32));
        const auto recipient = read_recipient(keys.recipient_file()).value();
        store::Batch batch;
        batch.epoch = contents.epoch.epoch;
        batch.time_mark = contents.time_mark;
        batch.changes.emplace_back().tokens.push_back(
            {token, false, std::nullopt, make_escrow(*recipient, {header.vault, *account, token}, 0, other.reveal()).value()});
        REQUIRE(opened->commit(batch));
        const auto next = opened->next_checkpoint(0);
        batch.changes.clear();
        batch.checkpoint = {next, device.sign(vault::checkpoint_message(next)).value()};
        REQUIRE(opened->commit(batch));
    }
    NewMachine fresh(keys.recipient_file());
    const auto recovered = fresh.recover(lost, keys);
    REQUIRE(recovered);
    CHECK(names_of(recovered->left_out) == std::set<std::string>{"user:alice/default"});
    fresh.start();
    CHECK(fresh.get(fresh.bob) == bobs);
    CHECK_FALSE(fresh.active(alices));
}

TEST_CASE("A store without a signature, or with another device's, is refused") {
    const RecoveryKeys keys;
    Lost lost(keys);
    lost.get(lost.alice);
    SECTION("never signed") {
        Lost unsigned_yet(keys);
        unsigned_yet.device().refuse_checkpoint = true;
        unsigned_yet.get(unsigned_yet.alice);
        unsigned_yet.die();
        CHECK(says(refusal(unsigned_yet, keys), "carries no signature"));
    }
    SECTION("the signature taken out") {
        lost.shut();
        lost.edit("UPDATE head SET checkpoint = x''");
        CHECK(says(refusal(lost, keys), "carries no signature"));
    }
    SECTION("signed by another device") {
        lost.shut();
        const Lost other(keys);
        lost.signing_key = other.signing_key;
        CHECK(says(refusal(lost, keys), "not one of the signing key that was given"));
    }
    SECTION("a signature with another epoch in it") {
        lost.shut();
        lost.edit("UPDATE head SET checkpoint = CAST(substr(checkpoint, 1, 88) || x'09' || substr(checkpoint, 90) AS BLOB)");
        CHECK(says(refusal(lost, keys), "not one of the signing key that was given"));
    }
    SECTION("no signing key at all") {
        lost.shut();
        lost.signing_key = Bytes{1, 2, 3};
        CHECK(says(refusal(lost, keys, ErrorCode::kInvalidArgument), "P-256"));
    }
}

TEST_CASE("The wrong key, and a recipient that was swapped in the file, are refused") {
    const RecoveryKeys keys;
    const RecoveryKeys wrong;
    Lost lost(keys);
    lost.get(lost.alice);
    lost.shut();
    CHECK(says(refusal(lost, wrong, ErrorCode::kInvalidArgument), "wrong recovery key"));
    const crypto::Digest swapped = wrong.key().fingerprint();
    std::string hex;
    for (const std::uint8_t byte : swapped) hex += {"0123456789abcdef"[byte >> 4], "0123456789abcdef"[byte & 15]};
    lost.edit("UPDATE head SET recipient = x'" + hex + "'");
    CHECK(says(refusal(lost, keys, ErrorCode::kInvalidArgument), "wrong recovery key"));
    CHECK(says(refusal(lost, wrong), "is not what its device signed"));
}

TEST_CASE("A vault without recovery says so, and a store that is there is never overwritten") {
    const RecoveryKeys keys;
    Lost lost(keys);
    lost.get(lost.alice);
    lost.shut();
    {
        NewMachine fresh(keys.recipient_file());
        REQUIRE(fresh.recover(lost, keys));
        const auto size = std::filesystem::file_size(fresh.file());
        CHECK(fresh.recover(lost, keys).error().code == ErrorCode::kAlreadyExists);
        CHECK(std::filesystem::file_size(fresh.file()) == size);
    }
    Harness plain;
    plain.shut();
    std::filesystem::copy_file(plain.file(), lost.file(), std::filesystem::copy_options::overwrite_existing);
    std::filesystem::remove(lost.file().string() + "-wal");
    CHECK(says(refusal(lost, keys, ErrorCode::kInvalidArgument), "made without recovery"));
}

TEST_CASE("A recovery that fails half way leaves no store") {
    const RecoveryKeys keys;
    Lost lost(keys);
    lost.get(lost.alice);
    lost.get(lost.bob);
    lost.shut();
    NewMachine fresh(keys.recipient_file());
    int derivations = 0;
    std::function<void()> fail_third = [&] {
        if (++derivations == 3) fresh.token->faults.gone = true;
        fresh.device().before_derive = fail_third;
    };
    fresh.device().before_derive = fail_third;
    CHECK(fresh.recover(lost, keys).error().code == ErrorCode::kHardwareUnavailable);
    CHECK(std::filesystem::is_empty(fresh.folder.path()));
    fresh.device().before_derive = nullptr;
    fresh.token->faults.gone = false;
    CHECK(fresh.recover(lost, keys));
}
