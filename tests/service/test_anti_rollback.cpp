// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The three ways to hold revocations against an old disk: what each costs the device's counter, what it answers, and
// which old copies it finds.
#include "daemon/service/epoch_keeper.h"
#include "tests/service/harness.h"

namespace hwvault::service {
namespace {

std::optional<bool> is_protected(Result<vault::Info> revoked) {
    return revoked.value().rollback_protected;
}

Result<vault::Info> revoke(Harness& vault) {
    return vault.run(vault.service().revoke(vault.alice, "", "", 0));
}

}  // namespace

TEST_CASE("strict: each revocation is a step of the counter, and protected when it is answered") {
    Harness vault;
    vault.get(vault.alice);
    const std::uint64_t before = vault.token->epoch;
    CHECK(is_protected(revoke(vault)) == true);
    CHECK(is_protected(revoke(vault)) == true);
    CHECK(vault.token->epoch == before + 2);
}

TEST_CASE("batch: many revocations are one step, at the end, and until then none claims to be protected") {
    Harness vault;
    vault.shut();
    vault.anti_rollback = AntiRollback::kBatch;
    vault.start();
    const std::string old = vault.get(vault.alice);
    const std::uint64_t before = vault.token->epoch;
    for (int i = 0; i < 5; ++i) CHECK(is_protected(revoke(vault)) == false);
    CHECK(vault.token->epoch == before);
    CHECK(vault.service().status().state == "serving");
    CHECK(vault.service().status().epoch_pending == 1);
    CHECK_FALSE(vault.active(old));
    const auto copy = vault.folder.path() / "copy";
    copy_store(vault, copy);
    revoke(vault).value();
    vault.shut();
    CHECK(vault.token->epoch == before + 1);
    put_back(vault, copy);
    vault.start();
    CHECK(vault.service().status().state == "rolled-back");
}

TEST_CASE("batch: what a crash kept from the device is told within the next batch") {
    Harness vault;
    vault.shut();
    vault.anti_rollback = AntiRollback::kBatch;
    vault.start();
    vault.get(vault.alice);
    revoke(vault).value();
    const auto crashed = vault.folder.path() / "crashed";
    copy_store(vault, crashed);
    const std::uint64_t before = vault.token->epoch;
    vault.shut();
    vault.token->epoch = before;  // the end was none: neither the store nor the device heard of it
    put_back(vault, crashed);
    vault.start();
    CHECK(vault.service().status().state == "serving");
    CHECK(vault.service().status().epoch_pending == 1);
    vault.shut();
    CHECK(vault.token->epoch == before + 1);
}

TEST_CASE("batch: what a crash kept from the device is told at once when the next start is strict") {
    Harness vault;
    vault.shut();
    vault.anti_rollback = AntiRollback::kBatch;
    vault.start();
    vault.get(vault.alice);
    const auto yesterday = vault.folder.path() / "yesterday";
    copy_store(vault, yesterday);
    revoke(vault).value();
    const auto crashed = vault.folder.path() / "crashed";
    copy_store(vault, crashed);
    const std::uint64_t before = vault.token->epoch;
    vault.shut();
    vault.token->epoch = before;
    put_back(vault, crashed);
    vault.anti_rollback = AntiRollback::kStrict;
    vault.start();
    vault.until([&] { return vault.token->epoch == before + 1; });
    vault.until([&] { return vault.service().status().epoch_pending == 0; });
    vault.shut();
    put_back(vault, yesterday);
    vault.start();
    CHECK(vault.service().status().state == "rolled-back");
}

TEST_CASE("batch: an end that comes while a commit is under way is not forgotten") {
    Harness vault;
    vault.shut();
    vault.anti_rollback = AntiRollback::kBatch;
    vault.batch_interval = std::chrono::milliseconds(30);
    vault.start();
    vault.get(vault.alice);
    const std::uint64_t before = vault.token->epoch;
    revoke(vault).value();
    auto released = vault.hold_store();
    const auto waiting = vault.begin(vault.service().create(vault.alice, "", "named", {}));
    const auto later = std::chrono::steady_clock::now() + std::chrono::milliseconds(100);
    vault.until([&] { return std::chrono::steady_clock::now() > later; });
    released.set_value();
    vault.until([&] { return vault.token->epoch == before + 1; });
    vault.until([&] { return waiting->has_value(); });
}

TEST_CASE("batch: a change that changes nothing does not end it") {
    Harness vault;
    vault.shut();
    vault.anti_rollback = AntiRollback::kBatch;
    vault.start();
    vault.get(vault.alice);
    const std::uint64_t before = vault.token->epoch;
    REQUIRE(vault.run(vault.service().revoke(vault.alice, "", "", 1)));
    CHECK(vault.service().status().epoch_pending == 1);
    REQUIRE(vault.run(vault.service().revoke(vault.alice, "", "", 1)));
    CHECK(vault.service().status().epoch_pending == 1);
    vault.shut();
    CHECK(vault.token->epoch == before + 1);
}

TEST_CASE("another counter than the one of before proves nothing, wherever it stands") {
    Harness vault;
    const std::string old = vault.get(vault.alice);
    revoke(vault).value();
    for (const std::uint64_t stands : {std::uint64_t{0}, vault.token->epoch.load(), std::uint64_t{1000}}) {
        vault.shut();
        vault.token->counter = Bytes{1, static_cast<std::uint8_t>(stands)};
        vault.token->epoch = stands;
        vault.start();
        CHECK(vault.service().status().state == "rolled-back");
        vault::Event event;
        event.time = vault.now;
        event.verb = vault::Verb::kRecover;
        REQUIRE(vault.run(accept_rollback(vault.opening_parts(), event)));
        vault.restart();
        CHECK(vault.service().status().state == "serving");
        CHECK_FALSE(vault.active(old));
        CHECK(is_protected(revoke(vault)) == true);
    }
}

TEST_CASE("batch: the end comes by itself, and again until it has succeeded") {
    boost::asio::io_context io(1);
    FakeHardware device(io.get_executor(), std::make_shared<hardware::FakeToken>());
    const auto epochs = std::make_shared<EpochKeeper>(EpochKeeper::Parts{
        .strand = io.get_executor(),
        .hardware = device,
        .epochs = {},
        .device = 0,
        .mode = AntiRollback::kBatch,
        .batch_interval = std::chrono::milliseconds(20),
    });
    int ends = 0;
    epochs->on_batch_end([&] {
        CHECK(epochs->is_batch_over());
        if (++ends == 1) return;  // this commit failed
        CHECK(epochs->of_next_commit(false) == 1);
        CHECK_FALSE(epochs->leaves_unprotected(false));
        CHECK(epochs->committed(1, false) == 1);
        CHECK_FALSE(epochs->has_open_batch());
        CHECK_FALSE(epochs->is_batch_over());
        CHECK(epochs->pending() == 1);
    });
    CHECK(epochs->of_next_commit(true) == 0);
    CHECK(epochs->leaves_unprotected(true));
    CHECK_FALSE(epochs->committed(0, true));
    CHECK(epochs->leaves_unprotected(false));
    CHECK_FALSE(epochs->committed(0, true));
    CHECK(epochs->has_open_batch());
    CHECK_FALSE(epochs->is_batch_over());
    io.run();
    CHECK(ends == 2);
    CHECK(epochs->pending() == 0);
}

TEST_CASE("off: the counter stands still, which is said, and strict goes on from where it stands") {
    Harness vault;
    vault.get(vault.alice);
    revoke(vault).value();
    vault.shut();
    vault.anti_rollback = AntiRollback::kOff;
    vault.start();
    const std::uint64_t before = vault.token->epoch;
    CHECK(is_protected(revoke(vault)) == false);
    CHECK(is_protected(revoke(vault)) == false);
    CHECK(vault.service().status().rollback_protection == "none");
    CHECK(vault.service().status().epoch_pending == 0);
    vault.shut();
    vault.anti_rollback = AntiRollback::kStrict;
    vault.start();
    vault.until([&] { return vault.token->epoch == before + 1; });  // of all that was revoked meanwhile
    CHECK(is_protected(revoke(vault)) == true);
    CHECK(vault.token->epoch == before + 2);
}

TEST_CASE("off: an old disk is believed, and found as soon as somebody looks again") {
    Harness vault;
    const std::string old = vault.get(vault.alice);
    vault.shut();
    const auto copy = vault.folder.path() / "copy";
    copy_store(vault, copy);
    vault.start();
    revoke(vault).value();
    vault.shut();
    put_back(vault, copy);
    vault.anti_rollback = AntiRollback::kOff;
    vault.start();
    CHECK(vault.service().status().state == "serving");
    CHECK(vault.active(old));
    vault.shut();
    vault.anti_rollback = AntiRollback::kStrict;
    vault.start();
    CHECK(vault.service().status().state == "rolled-back");
}

}  // namespace hwvault::service
