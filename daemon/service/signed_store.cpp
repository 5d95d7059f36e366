// SPDX-License-Identifier: LGPL-2.1-or-later
#include "daemon/service/signed_store.h"

#include <algorithm>
#include <map>
#include <utility>

#include "crypto/p256.h"
#include "crypto/token_text.h"
#include "daemon/vault/escrow.h"
#include "daemon/vault/recovery.h"
#include "foundation/hex.h"

namespace hwvault::service {
namespace {

constexpr std::size_t kMostNamed = 10;  // bad records in one message

Error untrusted(const std::string& finding) {
    return {ErrorCode::kStoreTampered, "The store is not what its device signed: " + finding + " Nothing was taken from it."};
}

std::string describe(const vault::Checkpoint& checkpoint) {
    return "checkpoint " + std::to_string(checkpoint.sequence) + " of epoch " + std::to_string(checkpoint.epoch);
}

}  // namespace

Result<std::unique_ptr<SignedStore>> SignedStore::open(const std::filesystem::path& file, Keys keys) {
    HWVAULT_TRY(auto salvage, store::Salvage::open(file));
    store::Salvaged salvaged = salvage->take();
    std::unique_ptr<SignedStore> store(new SignedStore(std::move(salvage), std::move(keys)));
    store->header_ = salvaged.header;
    HWVAULT_CHECK(store->check(salvaged));
    store->take_records(std::move(salvaged));
    return store;
}

Result<void> SignedStore::check(const store::Salvaged& salvaged) {
    if (!header_.recipient) {
        return invalid_argument("The store was made without recovery: nothing in it opens without its device.");
    }
    if (*header_.recipient != keys_.recovery.fingerprint()) {
        return invalid_argument("It is the wrong recovery key: its fingerprint is " + hex_of(keys_.recovery.fingerprint()) +
                                ", and the store's recipient is " + hex_of(*header_.recipient) + ".");
    }
    if (!salvaged.checkpoint) return untrusted("it carries no signature at all.");
    const vault::Checkpoint& checkpoint = salvaged.checkpoint->checkpoint;
    HWVAULT_TRY(const bool genuine, crypto::verify_p256(keys_.signing, vault::checkpoint_message(checkpoint),
                                                        salvaged.checkpoint->signature));
    if (!genuine) {
        return untrusted("the signature under " + describe(checkpoint) + " is not one of the signing key that was given. That must be the one of the device that is lost, as its `hwvault init`, `recover` or `recover --show-signing-key` printed it.");
    }
    if (salvaged.set == checkpoint.escrow_set && !salvaged.unreadable) return {};
    return untrusted("a record was planted, changed or removed since " + describe(checkpoint) + "." + bad_records(salvaged));
}

// Those that tell by themselves.
std::string SignedStore::bad_records(const store::Salvaged& salvaged) {
    std::map<vault::Id, const vault::Account*> accounts;
    for (const auto& account : salvaged.accounts) accounts.emplace(account.then.id, &account.then);
    std::string names;
    std::size_t count = 0;
    for (const store::SalvagedToken& candidate : salvaged.tokens) {
        const vault::Token& token = candidate.token.then;
        const auto account = accounts.find(token.account);
        if (account == accounts.end() || !candidate.had_escrow) continue;
        const auto string = string_of(*account->second, token);
        if (string || string.error().code == ErrorCode::kNotFound || ++count > kMostNamed) continue;
        names += (names.empty() ? " Not good by themselves: " : ", ") + account->second->name.text() + "/" + token.name.text();
    }
    return names.empty() ? names : names + ".";
}

void SignedStore::take_records(store::Salvaged salvaged) {
    records_.header = salvaged.header;
    records_.checkpoint = salvaged.checkpoint->checkpoint;
    std::map<vault::Id, std::string> kept;
    for (const auto& [then, now] : salvaged.accounts) {
        auto account = vault::still_good(then, now);
        if (!account) continue;
        kept.emplace(account->id, account->name.text());
        records_.accounts.push_back(std::move(*account));
    }
    for (const store::SalvagedToken& token : salvaged.tokens) {
        const auto account = kept.find(token.token.then.account);
        if (account != kept.end()) take_token(token, account->second + "/" + token.token.then.name.text());
    }
    for (std::string& name : salvaged.later) {
        records_.left_out.push_back({std::move(name), "is newer than the last signature"});
    }
}

// A token that was revoked or deleted since is no news: whoever did it knows.
void SignedStore::take_token(const store::SalvagedToken& salvaged, const std::string& name) {
    const auto& [then, now] = salvaged.token;
    auto token = vault::still_good(then, now);
    const bool renewed = now && !then.revoked && now->current().id != then.current().id;
    if (!token || renewed) {
        if (now && !now->revoked) records_.left_out.push_back({name, "got a new string after the last signature"});
        return;
    }
    const bool given_later = !then.revoked && !then.current().given && now->current().given;
    if (given_later) {
        records_.left_out.push_back({name, "was first given out after the last signature; its next Retrieve gives another string"});
    }
    records_.tokens.push_back(std::move(*token));
}

Result<SecretBytes> SignedStore::string_of(const vault::Account& account, const vault::Token& token) {
    HWVAULT_TRY(const auto message, salvage_->escrow(token.id));
    if (!message) return Error{ErrorCode::kNotFound, "The token is not in escrow."};
    HWVAULT_TRY(const SecretBytes text, keys_.recovery.decrypt(*message));
    HWVAULT_TRY(SecretBytes string, vault::string_in_escrow({header_.vault, account, token}, text.reveal()));
    if (token.origin == vault::Origin::kImported) return string;
    const auto proof = crypto::prove_token_text(header_.prefix, string.reveal());
    if (!proof || proof->id != token.current().id || proof->hash != token.current().hash) {
        return Error{ErrorCode::kStoreTampered, "What opens is not the token's string."};
    }
    return string;
}

}  // namespace hwvault::service
