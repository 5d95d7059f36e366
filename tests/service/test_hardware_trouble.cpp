// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What happens when the device is gone, hangs, is another one, or remembers more than the disk.
#include <algorithm>
#include <future>
#include <memory>
#include <optional>
#include <vector>

#include "tests/service/harness.h"

using namespace hwvault;
using namespace hwvault::service;

TEST_CASE("Without the device Revoke and Verify go on, and Retrieve says so") {
    Harness vault;
    const std::string old = vault.get(vault.alice);
    vault.device().plug(false);
    CHECK(vault.active(old));
    const auto revoked = vault.run(vault.service().revoke(vault.alice, "", "", 0));
    REQUIRE(revoked);
    CHECK(revoked->rollback_protected == false);
    CHECK_FALSE(vault.active(old));
    CHECK(vault.service().status().epoch_pending == 1);
    CHECK(vault.run(vault.service().retrieve({vault.alice}, "", "")).error().code == ErrorCode::kHardwareUnavailable);

    vault.device().plug(true);
    vault.until([&] { return vault.service().status().epoch_pending == 0; });
    const std::string fresh = vault.get(vault.alice);
    CHECK(fresh != old);
    CHECK(vault.active(fresh));
}

TEST_CASE("A revocation that the device was not told of before a crash is told at the next start") {
    Harness vault;
    const std::string old = vault.get(vault.alice);
    const std::uint64_t before = vault.token->epoch;
    vault.device().plug(false);
    REQUIRE(vault.run(vault.service().revoke(vault.alice, "", "", 0)));
    vault.shut();
    vault.token->faults.gone = false;
    vault.start();
    vault.until([&] { return vault.token->epoch == before + 1; });
    CHECK(vault.service().status().state == "serving");
    CHECK_FALSE(vault.active(old));
}

vault::Event acceptance(const Harness& vault) {
    vault::Event event;
    event.time = vault.now;
    event.verb = vault::Verb::kRecover;
    return event;
}

TEST_CASE("Once an old store was accepted, the newer one that it took the place of is an old one too") {
    Harness vault;
    const std::string of_alice = vault.get(vault.alice);
    vault.shut();
    const auto older = vault.folder.path() / "older";
    copy_store(vault, older);
    vault.start();
    const std::string of_bob = vault.get(vault.bob);
    REQUIRE(vault.run(vault.service().create(vault.bob, "", "x", {})));
    REQUIRE(vault.run(vault.service().revoke(vault.bob, "", "x", 0)));
    vault.shut();
    const auto newer = vault.folder.path() / "newer";
    copy_store(vault, newer);
    put_back(vault, older);
    vault.plug_in();
    SECTION("at once") {
        REQUIRE(vault.run(accept_rollback(vault.opening_parts(), acceptance(vault)))->device_told);
    }
    SECTION("when the device hears of it with the next start") {
        vault.device().refuse_advance = hardware_unavailable("The device does not step now.");
        const auto accepted = vault.run(accept_rollback(vault.opening_parts(), acceptance(vault)));
        REQUIRE(accepted);
        CHECK(accepted->device_told.error().message == "The device does not step now.");
        vault.start();
        vault.until([&] { return vault.service().status().state == "serving"; });
        vault.shut();
    }
    put_back(vault, newer);
    vault.start();
    CHECK(vault.service().status().state == "rolled-back");
    CHECK(vault.service().verify(vault.root, bytes_of(of_alice)).error().code == ErrorCode::kRolledBack);
    CHECK(vault.service().verify(vault.root, bytes_of(of_bob)).error().code == ErrorCode::kRolledBack);
}

TEST_CASE("A counter that is another one by now, or that something else moves, protects nothing, and it is said") {
    Harness vault;
    vault.get(vault.alice);
    const std::uint64_t before = vault.token->epoch;
    SECTION("another one, wherever it stands") {
        vault.token->counter = Bytes{7};
        vault.token->epoch = before + GENERATE(0U, 1U, 5U);
    }
    SECTION("the same, moved") { vault.token->epoch = before + 5; }
    const auto revoked = vault.run(vault.service().revoke(vault.alice, "", "", 0));
    REQUIRE(revoked);
    CHECK(revoked->rollback_protected == false);
    const Status status = vault.service().status();
    CHECK(status.epoch_pending == 1);
    CHECK(status.hardware_state == "RolledBack");
    CHECK(status.message.find("The device's counter") != std::string::npos);
    vault.restart();
    CHECK(vault.service().status().state == "rolled-back");
}

TEST_CASE("A store that was put back is refused, until an administrator accepts it") {
    Harness vault;
    const std::string dead = vault.get(vault.alice);
    REQUIRE(vault.run(vault.service().create(vault.alice, "", "named", {})));
    const std::string named = vault.get(vault.alice, "", "named");
    REQUIRE(vault.run(vault.service().import(vault.alice, "", "foreign", SecretBytes::copy_of(bytes_of("theirs")), {})));
    vault.shut();
    const auto backup = vault.folder.path() / "backup";
    copy_store(vault, backup);
    vault.start();
    const std::uint64_t events = vault.service().status().audit_sequence;
    REQUIRE(vault.run(vault.service().revoke(vault.alice, "", "", 0)));
    vault.shut();
    put_back(vault, backup);
    vault.start();
    CHECK(vault.service().status().state == "rolled-back");
    CHECK(vault.service().verify(vault.root, bytes_of(dead)).error().code == ErrorCode::kRolledBack);
    const auto refused = vault.run(vault.service().retrieve({vault.alice}, "", ""));
    CHECK(refused.error().code == ErrorCode::kRolledBack);

    const vault::Event event = acceptance(vault);
    REQUIRE(vault.run(accept_rollback(vault.opening_parts(), event)));
    CHECK(vault.run(accept_rollback(vault.opening_parts(), event)).error().code == ErrorCode::kInvalidArgument);
    vault.restart();
    CHECK(vault.service().status().state == "serving");
    CHECK(vault.service().status().audit_sequence == events + 3);  // the acceptance is on record, and two revocations
    // Which strings were revoked since, nobody knows: so none lives again.
    CHECK_FALSE(vault.active(dead));
    CHECK_FALSE(vault.active(named));
    const std::string successor = vault.get(vault.alice);
    CHECK(successor != dead);
    CHECK(vault.active(successor));
    CHECK(vault.get(vault.alice, "", "foreign") == "theirs");
}

TEST_CASE("Another device opens nothing") {
    Harness vault;
    vault.get(vault.alice);
    vault.shut();
    vault.token = std::make_shared<hardware::FakeToken>();
    vault.start();
    CHECK(vault.service().status().state == "store-tampered");
    CHECK(vault.run(vault.service().retrieve({vault.alice}, "", "")).error().code == ErrorCode::kStoreTampered);
}

TEST_CASE("A vault that starts without its device serves when the device comes") {
    Harness vault;
    const std::string text = vault.get(vault.alice);
    vault.shut();
    vault.token->faults.gone = true;
    vault.start();
    CHECK(vault.service().status().state == "hardware-unavailable");
    CHECK(vault.service().verify(vault.root, bytes_of(text)).error().code == ErrorCode::kHardwareUnavailable);
    vault.device().plug(true);
    vault.until([&] { return vault.service().status().state == "serving"; });
    CHECK(vault.active(text));
}

TEST_CASE("A token that is revoked while the device derives it is not handed out") {
    Harness vault;
    const std::string old = vault.get(vault.alice);
    std::shared_ptr<std::optional<Result<vault::Info>>> revoked;
    vault.device().before_derive = [&] {
        revoked = vault.begin(vault.service().revoke(vault.alice, "", "", 0));
        // The revocation is durable and visible before the derivation's answer comes.
        while (vault.service().verify(vault.root, bytes_of(old)).value().active) vault.poll();
    };
    const std::string given = vault.get(vault.alice);
    CHECK(given != old);
    vault.until([&] { return revoked->has_value(); });
    REQUIRE(**revoked);
    CHECK_FALSE(vault.active(old));
    CHECK(vault.active(given));
}

TEST_CASE("Who loses an account while its string is being recorded is not given the string") {
    Harness vault;
    vault::CreateOptions owned_by_alice;
    owned_by_alice.owners = {"user:alice"};
    vault::CreateOptions owned_by_bob;
    owned_by_bob.owners = {"user:bob"};
    REQUIRE(vault.run(vault.service().create(vault.root, "app:billing", "ci", owned_by_alice)));
    std::shared_ptr<std::optional<Result<vault::Info>>> withdrawn;
    std::promise<void> store;
    vault.device().before_derive = [&] {
        store = vault.hold_store();
        withdrawn = vault.begin(vault.service().create(vault.root, "app:billing", "ci", owned_by_bob));
        vault.poll();  // the commit is under way, and all that alice's Retrieve looks at is as before
    };
    const auto retrieved = vault.begin(vault.service().retrieve({vault.alice}, "app:billing", "ci"));
    vault.until([&] { return withdrawn != nullptr; });
    CHECK_FALSE(retrieved->has_value());
    store.set_value();
    vault.until([&] { return retrieved->has_value() && withdrawn->has_value(); });
    REQUIRE(**withdrawn);
    REQUIRE_FALSE(**retrieved);
    CHECK((*retrieved)->error().code == ErrorCode::kAccessDenied);
    CHECK(vault.active(vault.get(vault.bob, "app:billing", "ci")));
}

TEST_CASE("A string that is recorded late is not taken for that of a token made anew under its name") {
    Harness vault;
    REQUIRE(vault.run(vault.service().create(vault.alice, "", "ci", {})));
    std::shared_ptr<std::optional<Result<vault::Info>>> made_anew;
    std::promise<void> store;
    vault.device().before_derive = [&] {
        store = vault.hold_store();
        vault.begin(vault.service().erase(vault.alice, "", "ci"));
        made_anew = vault.begin(vault.service().create(vault.alice, "", "ci", {}));
        vault.poll();
    };
    const auto retrieved = vault.begin(vault.service().retrieve({vault.alice}, "", "ci"));
    vault.until([&] { return made_anew != nullptr; });
    store.set_value();
    vault.until([&] { return retrieved->has_value() && made_anew->has_value(); });
    REQUIRE(**made_anew);
    REQUIRE(**retrieved);
    CHECK(vault.active(std::string(text_of((*retrieved)->value().secret.reveal()))));
    CHECK(vault.active(vault.get(vault.alice, "", "ci")));
}

TEST_CASE("A device without a counter protects nothing, and says so") {
    Harness vault;
    vault.shut();
    std::filesystem::remove(vault.file());
    vault.token->faults.no_epoch = true;
    vault.start();
    const std::string old = vault.get(vault.alice);
    const auto revoked = vault.run(vault.service().revoke(vault.alice, "", "", 0));
    REQUIRE(revoked);
    CHECK(revoked->rollback_protected == false);
    CHECK_FALSE(vault.active(old));
    CHECK(vault.service().status().rollback_protection == "none");
    CHECK(vault.service().status().epoch_pending == 0);
}

TEST_CASE("A step of the device whose answer was lost is not made twice") {
    Harness vault;
    const std::string old = vault.get(vault.alice);
    const std::uint64_t before = vault.token->epoch;
    vault.device().lose_advance = true;
    REQUIRE(vault.run(vault.service().revoke(vault.alice, "", "", 0)));
    vault.until([&] { return vault.service().status().epoch_pending == 0; });
    CHECK(vault.token->epoch == before + 1);
    vault.restart();
    CHECK(vault.token->epoch == before + 1);
    CHECK_FALSE(vault.active(old));
}

TEST_CASE("A device that refuses a step is said in Status, and told when it takes it again") {
    Harness vault;
    REQUIRE(vault.run(vault.service().create(vault.alice, "", "ci", {})));
    vault.device().refuse_advance = Error{ErrorCode::kRolledBack, "Its epoch object is gone."};
    REQUIRE(vault.run(vault.service().revoke(vault.alice, "", "ci", 0))->rollback_protected == false);
    const Status refused = vault.service().status();
    CHECK(refused.state == "catching-up");
    CHECK(refused.hardware_state == "RolledBack");
    CHECK(refused.message.find("Its epoch object is gone.") != std::string::npos);
    CHECK(vault.states.back() == "catching-up/RolledBack");
    vault.device().refuse_advance.reset();
    vault.until([&] { return vault.service().status().state == "serving"; });
    CHECK(vault.service().status().hardware_state == "available");
    CHECK(vault.states.back() == "serving/available");
}

TEST_CASE("Many revocations at once all hold, and share advances of the device") {
    Harness vault;
    constexpr int kTokens = 64;
    std::vector<std::string> texts;
    for (int i = 0; i < kTokens; ++i) {
        REQUIRE(vault.run(vault.service().create(vault.alice, "", "t" + std::to_string(i), {})));
        texts.push_back(vault.get(vault.alice, "", "t" + std::to_string(i)));
    }
    const std::uint64_t before = vault.token->epoch;
    std::vector<std::shared_ptr<std::optional<Result<vault::Info>>>> revoked;
    for (int i = 0; i < kTokens; ++i) {
        revoked.push_back(vault.begin(vault.service().revoke(vault.alice, "", "t" + std::to_string(i), 0)));
    }
    vault.until([&] {
        return std::ranges::all_of(revoked, [](const auto& one) { return one->has_value(); });
    });
    for (const auto& one : revoked) CHECK((*one)->value().rollback_protected == true);
    for (const std::string& text : texts) CHECK_FALSE(vault.active(text));
    CHECK(vault.token->epoch - before < kTokens / 4);
}
