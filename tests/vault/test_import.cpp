// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Import: a third party's secret, drafted, sealed and then written, over what it may replace and nothing else.
#include <string>
#include <vector>

#include "tests/catch.h"
#include "tests/vault/world.h"

namespace hwvault::vault {
namespace {

const Bytes kSealed(40, 7);

TEST_CASE("A new secret becomes a record with its sealed content") {
    World world;
    const Target target = world.target("user:alice", "npm");
    CreateOptions options;
    options.scopes = {"publish"};
    options.description = "the registry's";
    options.expires_in = 60;
    const auto plan = world.import(target, options);
    CHECK(word_of(plan) == "Grants");
    const Change& change = *change_in(*plan);
    CHECK(change.accounts.size() == 1);
    CHECK(change.tokens.front().sealed_content == kSealed);
    CHECK(change.event->verb == Verb::kImport);
    CHECK(change.notice->event == "imported");
    const Token token = world.token(target);
    CHECK(token.origin == Origin::kImported);
    CHECK(token.seal_nonce);
    CHECK(token.scopes == std::vector<std::string>{"publish"});
    CHECK(token.description == "the registry's");
    CHECK(token.current().expires_at == world.now + 60);
    CHECK_FALSE(token.current().given);
    CHECK(retrievable(world.vault, target, world.now));
    CHECK(word_of_failure(retrievable(world.vault, target, world.now + 60)) == "Expired");
}

TEST_CASE("Importing over a secret replaces it and takes trust away") {
    World world;
    const Target target = world.target("user:alice", "npm");
    CreateOptions options;
    options.scopes = {"publish"};
    options.description = "the registry's";
    world.import(target, options).value();
    const Token old = world.token(target);

    CreateOptions described;
    described.description = "the registry's second";
    CHECK(word_of(world.import(target, described)) == "Withdraws");
    const Token token = world.token(target);
    CHECK(token.id == old.id);
    CHECK(token.current().number == 2);
    CHECK(token.generations.size() == 1);
    CHECK(token.seal_nonce != old.seal_nonce);
    CHECK(token.current().id != old.current().id);
    CHECK(token.scopes == old.scopes);
    CHECK(token.description == "the registry's second");
    CHECK(world.vault.token_count() == 1);
}

TEST_CASE("Importing over a revoked secret takes nothing from anybody, and keeps nothing of it") {
    World world;
    const Target target = world.target("user:alice", "npm");
    CreateOptions options;
    options.description = "the registry's";
    world.import(target, options).value();
    world.revoke(target).value();
    CHECK(word_of(world.import(target)) == "Grants");
    CHECK_FALSE(world.token(target).revoked);
    CHECK(world.token(target).description.empty());
    CHECK(world.token(target).current().number == 2);
    CHECK(retrievable(world.vault, target, world.now));
}

TEST_CASE("Importing over an issued token is refused, whether it lives or not") {
    World world;
    const Target target = world.target("user:alice", "deploy");
    world.create(target).value();
    const auto text = world.retrieve(target);
    CHECK(word_of(world.import(target)) == "AlreadyExists");
    CHECK(world.is_active(*text));
    world.revoke(target).value();
    CHECK(word_of(world.import(target)) == "AlreadyExists");
}

TEST_CASE("A secret has 1 byte to 1 MiB") {
    CHECK(word_of_failure(importable(0)) == "InvalidArgument");
    CHECK(importable(1));
    CHECK(importable(kMaxSecretSize));
    CHECK(word_of_failure(importable(kMaxSecretSize + 1)) == "InvalidArgument");

    World world;
    const Target target = world.target("user:alice", "npm");
    const ImportDraft draft = draft_import(world.vault, target, {}, world.occasion()).value();
    const auto import_sealed = [&](std::size_t size) {
        return word_of(import(world.vault, target, draft, Bytes(size), world.occasion()));
    };
    CHECK(import_sealed(0) == "InvalidArgument");
    CHECK(import_sealed(16) == "InvalidArgument");
    CHECK(import_sealed(17) == "Grants");
    CHECK(import_sealed(kMaxSecretSize + 16) == "Grants");
    CHECK(import_sealed(kMaxSecretSize + 17) == "InvalidArgument");
}

TEST_CASE("Options of an import have the same bounds as those of a create") {
    World world;
    CreateOptions options;
    SECTION("expiry") { options.expires_in = kMaxLifetime + 1; }
    SECTION("scopes") { options.scopes = {"*"}; }
    SECTION("description") { options.description = "\x1b"; }
    SECTION("owners") { options.owners = {"user:bob"}; }
    CHECK(word_of(world.import(world.target("user:alice", "npm"), options)) == "InvalidArgument");
}

TEST_CASE("An app's first secret names its owners") {
    World world;
    CHECK(word_of(world.import(world.target("app:shop", "stripe"))) == "InvalidArgument");
    CreateOptions options;
    options.owners = {"group:shop"};
    CHECK(word_of(world.import(world.target("app:shop", "stripe"), options)) == "Grants");
    CHECK(world.vault.find(account_name("app:shop"))->owners == std::vector<std::string>{"group:shop"});
}

TEST_CASE("A draft that something has overtaken is not written") {
    World world;
    const Target target = world.target("user:alice", "npm");
    const auto import_draft = [&](const ImportDraft& draft) {
        return word_of(import(world.vault, target, draft, kSealed, world.occasion()));
    };
    const auto draft_now = [&] { return draft_import(world.vault, target, {}, world.occasion()).value(); };

    SECTION("the account came to be") {
        const ImportDraft draft = draft_now();
        world.create(world.target("user:alice")).value();
        CHECK(import_draft(draft) == "Busy");
    }
    SECTION("the account went and came back") {
        world.create(world.target("user:alice")).value();
        const ImportDraft draft = draft_now();
        world.erase(world.target("user:alice")).value();
        CHECK(import_draft(draft) == "Busy");
        world.create(world.target("user:alice")).value();
        CHECK(import_draft(draft) == "Busy");
    }
    SECTION("the token came to be") {
        world.create(world.target("user:alice")).value();
        const ImportDraft draft = draft_now();
        world.create(target).value();
        CHECK(import_draft(draft) == "Busy");
    }
    SECTION("another import was first") {
        world.import(target).value();
        const ImportDraft draft = draft_now();
        world.import(target).value();
        CHECK(import_draft(draft) == "Busy");
    }
    SECTION("a revocation was first") {
        world.import(target).value();
        const ImportDraft draft = draft_now();
        world.revoke(target).value();
        CHECK(import_draft(draft) == "Busy");
    }
    SECTION("the token went") {
        world.create(world.target("user:alice")).value();
        world.import(target).value();
        const ImportDraft draft = draft_now();
        world.erase(target).value();
        CHECK(import_draft(draft) == "Busy");
    }
}

TEST_CASE("A quota that filled up meanwhile holds for a draft too") {
    World world(Quotas{.tokens_per_account = 10, .tokens = 1});
    const Target target = world.target("user:alice", "npm");
    const ImportDraft draft = draft_import(world.vault, target, {}, world.occasion()).value();
    world.create(world.target("user:bob")).value();
    CHECK(word_of(import(world.vault, target, draft, kSealed, world.occasion())) == "QuotaExceeded");
}

TEST_CASE("A user that was replaced meanwhile does not get the draft's content") {
    World world;
    world.create(world.target("user:alice")).value();
    const ImportDraft draft =
        draft_import(world.vault, world.target("user:alice", "npm"), {}, world.occasion()).value();
    world.uid = 1007;
    CHECK(word_of(import(world.vault, world.target("user:alice", "npm"), draft, kSealed, world.occasion())) ==
          "AccessDenied");
}

}  // namespace
}  // namespace hwvault::vault
