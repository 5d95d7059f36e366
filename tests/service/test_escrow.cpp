// SPDX-License-Identifier: LGPL-2.1-or-later
//
// A vault with a recovery recipient: every string that is given out can be had with the key alone, and the device signs
// what there is.
#include <algorithm>

#include "crypto/p256.h"
#include "daemon/vault/escrow.h"
#include "tests/service/recovery_keys.h"

using namespace hwvault;
using namespace hwvault::service;

namespace {

// What a stopped vault's file holds.
class Read {
public:
    explicit Read(const Harness& vault) : salvage_(store::Salvage::open(vault.file()).value()), salvaged(salvage_->take()) {}

private:
    std::unique_ptr<store::Salvage> salvage_;

public:
    store::Salvaged salvaged;

    [[nodiscard]] bool is_whole() const {
        return salvaged.checkpoint && salvaged.checkpoint->checkpoint.escrow_set == salvaged.set;
    }
    // The string of a token, opened with the key; nullopt when there is no escrow.
    [[nodiscard]] std::optional<std::string> string_of(std::string_view name, const RecoveryKeys& keys) const {
        const auto token = std::ranges::find_if(salvaged.tokens, [&](const store::SalvagedToken& candidate) {
            return candidate.token.then.name.text() == name;
        });
        REQUIRE(token != salvaged.tokens.end());
        const auto message = salvage_->escrow(token->token.then.id).value();
        if (!message) return std::nullopt;
        const SecretBytes text = keys.key().decrypt(*message).value();
        const auto string = vault::string_in_escrow(
            {salvaged.header.vault, salvaged.accounts.front().then, token->token.then}, text.reveal());
        return std::string(text_of(string.value().reveal()));
    }
};

}  // namespace

TEST_CASE("Each string that was given out is in escrow, signed, and opens with the key") {
    const RecoveryKeys keys;
    Harness vault(keys.recipient_file());
    const std::string own = vault.get(vault.alice);
    REQUIRE(vault.run(vault.service().create(vault.alice, "", "idle", {})));
    REQUIRE(vault.run(vault.service().import(vault.alice, "", "npm", secret("a\nb"), {})));
    vault.shut();
    {
        const Read read(vault);
        CHECK(read.is_whole());
        CHECK(read.string_of("default", keys) == own);
        CHECK(read.string_of("npm", keys) == "a\nb");
        CHECK_FALSE(read.string_of("idle", keys));
        CHECK(read.salvaged.later.empty());
    }
    vault.start();
    CHECK(vault.get(vault.alice) == own);
}

TEST_CASE("The largest secret of any bytes has its escrow beside it, and comes back") {
    const RecoveryKeys keys;
    std::string largest(vault::kMaxSecretSize, '\xff');
    Harness vault(keys.recipient_file());
    REQUIRE(vault.run(vault.service().import(vault.alice, "", "large", secret(largest), {})));
    CHECK(vault.get(vault.alice, "", "large") == largest);
    vault.restart();
    CHECK(vault.get(vault.alice, "", "large") == largest);
    vault.shut();
    CHECK(Read(vault).string_of("large", keys) == largest);
}

TEST_CASE("An escrow goes with its string, in the same commit") {
    const RecoveryKeys keys;
    Harness vault(keys.recipient_file());
    vault.get(vault.alice);
    REQUIRE(vault.run(vault.service().import(vault.alice, "", "npm", secret("old"), {})));
    SECTION("revoked") {
        REQUIRE(vault.run(vault.service().revoke(vault.alice, "", "", 0)));
        REQUIRE(vault.run(vault.service().revoke(vault.alice, "", "npm", 0)));
        vault.shut();
        CHECK_FALSE(Read(vault).string_of("default", keys));
        CHECK_FALSE(Read(vault).string_of("npm", keys));
    }
    SECTION("replaced") {
        REQUIRE(vault.run(vault.service().rotate(vault.alice, "", "", 0, 0)));
        const std::string next = vault.get(vault.alice);
        REQUIRE(vault.run(vault.service().import(vault.alice, "", "npm", secret("new"), {})));
        vault.shut();
        CHECK(Read(vault).string_of("default", keys) == next);
        CHECK(Read(vault).string_of("npm", keys) == "new");
    }
}

TEST_CASE("The device signs what has changed, soon and by itself, and the signature verifies") {
    const RecoveryKeys keys;
    Harness vault(keys.recipient_file());
    vault.device().refuse_checkpoint = true;
    vault.get(vault.alice);
    CHECK(vault.service().status().recovery_pending > 0);
    vault.device().refuse_checkpoint = false;
    vault.until([&] { return vault.service().status().recovery_pending == 0; });
    const std::uint64_t first = vault.device().last_sequence;
    CHECK(first > 0);
    REQUIRE(vault.run(vault.service().create(vault.alice, "", "deploy", {})));
    vault.until([&] { return vault.service().status().recovery_pending == 0; });
    CHECK(vault.device().last_sequence == first + 1);
    const Bytes signing_key = vault.run(vault.device().describe({}))->signing_key;
    vault.shut();
    {
        const Read read(vault);
        REQUIRE(read.is_whole());
        const vault::SignedCheckpoint& made = *read.salvaged.checkpoint;
        CHECK(crypto::verify_p256(signing_key, vault::checkpoint_message(made.checkpoint), made.signature).value());
    }
    vault.start();
    CHECK(vault.device().last_sequence == 0);  // nothing to sign
}

TEST_CASE("A device that has signed higher sequences is caught up with") {
    const RecoveryKeys keys;
    Harness vault(keys.recipient_file());
    vault.device().last_sequence = 1'000;
    vault.get(vault.alice);
    vault.until([&] { return vault.device().last_sequence > 1'000; });
    CHECK(vault.device().last_sequence < 3'000);
    vault.shut();
    CHECK(Read(vault).is_whole());
}

TEST_CASE("A device that is away keeps nobody from revoking, and signs when it is back") {
    const RecoveryKeys keys;
    Harness vault(keys.recipient_file());
    const std::string old = vault.get(vault.alice);
    vault.until([&] { return vault.service().status().recovery_pending == 0; });
    vault.device().plug(false);
    REQUIRE(vault.run(vault.service().revoke(vault.alice, "", "", 0)));
    CHECK_FALSE(vault.active(old));
    vault.shut();
    CHECK(Read(vault).is_whole());  // as it was signed
    CHECK_FALSE(Read(vault).string_of("default", keys));
    vault.token->faults.gone = false;
    vault.start();
    vault.until([&] { return vault.device().last_sequence > 0; });
}

TEST_CASE("Another recipient than the vault's is refused at the start, with what to type") {
    const RecoveryKeys keys;
    const RecoveryKeys others;
    Harness vault(keys.recipient_file());
    const std::string own = vault.get(vault.alice);
    vault.shut();
    SECTION("the file was swapped") { vault.recipient_file = others.recipient_file(); }
    SECTION("the line is gone") { vault.recipient_file.clear(); }
    SECTION("the file is gone") { vault.recipient_file = "/nonexistent/recipient.pem"; }
    SECTION("the file holds the private key") { vault.recipient_file = keys.key_file(); }
    vault.start();
    CHECK(vault.service().status().state == "failed");
    const auto refused = vault.run(vault.service().retrieve({vault.alice}, "", ""));
    REQUIRE_FALSE(refused);
    CHECK(refused.error().message.find("recovery recipient") != std::string::npos);
    vault.shut();
    vault.recipient_file = keys.recipient_file();
    vault.start();
    CHECK(vault.get(vault.alice) == own);
}

TEST_CASE("A vault made without recovery does not get it from a line in a file") {
    const RecoveryKeys keys;
    Harness vault;
    vault.get(vault.alice);
    vault.shut();
    CHECK(Read(vault).salvaged.checkpoint->checkpoint.escrow_set == crypto::Digest{});
    vault.start();
    CHECK_FALSE(vault.service().status().recovery_pending);
    vault.shut();
    vault.recipient_file = keys.recipient_file();
    vault.start();
    CHECK(vault.service().status().state == "failed");
    CHECK(vault.service().status().message.find("hwvault recover --new-recipient") != std::string::npos);
}
