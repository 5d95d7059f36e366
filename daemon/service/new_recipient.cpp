// SPDX-License-Identifier: LGPL-2.1-or-later
//
// change_recipient(): what is in escrow cannot be encrypted to another key without the strings, so the device derives
// and unseals them all once more.
#include <algorithm>
#include <utility>

#include "crypto/token_text.h"
#include "daemon/service/checkpointer.h"
#include "daemon/service/escrow.h"
#include "daemon/service/recovery.h"
#include "daemon/service/signal.h"
#include "daemon/service/strings.h"
#include "foundation/hex.h"

namespace hwvault::service {
namespace {

using boost::asio::awaitable;

// Those that have a string, and somebody who was given it.
std::vector<vault::Token> tokens_with_strings(const vault::Vault& vault) {
    std::vector<vault::Token> tokens;
    vault.visit_after({}, [&](const vault::Account&, const vault::Token& token) {
        if (!token.revoked && (token.seal_nonce || token.current().given)) tokens.push_back(token);
        return true;
    });
    return tokens;
}

// As the store has it, with what the vault does not keep.
awaitable<Result<vault::Token>> stored(const OpeningParts& parts, const Opened& opened, const vault::Token& token) {
    HWVAULT_CO_TRY(auto found, co_await run_on(parts.store_thread, [&] { return opened.store->read_token(token.id); }));
    if (!found) co_return Error{ErrorCode::kStoreTampered, "The record of `" + token.name.text() + "` is gone."};
    co_return std::move(*found);
}

awaitable<Result<SecretBytes>> string_of(const OpeningParts& parts, const Opened& opened, const vault::Token& token) {
    const vault::Vault& vault = *opened.vault;
    if (!token.seal_nonce) {
        VaultName name{vault.id(), vault.prefix()};
        co_return co_await derive_string(parts.hardware, std::move(name), token);
    }
    HWVAULT_CO_TRY(auto sealed, co_await run_on(parts.store_thread, [&] { return opened.store->read_content(token.id); }));
    if (!sealed) {
        co_return Error{ErrorCode::kStoreTampered, "The sealed string of `" + token.name.text() + "` is gone."};
    }
    co_return co_await unseal_string(parts.hardware, vault.id(), token, std::move(*sealed));
}

// The string that somebody else would get is not put into escrow.
Result<void> check_string(const Opened& opened, const vault::Token& token, const SecretBytes& string) {
    if (token.origin == vault::Origin::kImported) return {};
    const auto proof = crypto::prove_token_text(opened.vault->prefix(), string.reveal());
    if (proof && proof->hash == token.current().hash) return {};
    return Error{ErrorCode::kInternal,
                 "The device gives another string for `" + token.name.text() +
                     "` than before: it is not the device that this vault was set up with. Nothing was changed."};
}

// With the escrow of its string; an empty one where there is no recipient.
awaitable<Result<vault::TokenWrite>> rewritten(const OpeningParts& parts, const Opened& opened, vault::Token token) {
    Bytes escrow;
    if (opened.recipient) {
        HWVAULT_CO_TRY(token, co_await stored(parts, opened, token));
        HWVAULT_CO_TRY(const SecretBytes string, co_await string_of(parts, opened, token));
        HWVAULT_CO_CHECK(check_string(opened, token, string));
        const vault::EscrowPlace place{opened.vault->id(), *opened.vault->account(token.account), token};
        HWVAULT_CO_TRY(escrow, make_escrow(*opened.recipient, place, opened.epochs.epoch, string.reveal()));
    }
    co_return vault::TokenWrite{
        .token = std::move(token), .erase = false, .sealed_content = std::nullopt, .escrow = std::move(escrow)};
}

// Not before the device has signed what is there now can it be recovered.
awaitable<Result<void>> sign(const OpeningParts& parts) {
    HWVAULT_CO_TRY(Opened opened, co_await open_latest(parts));
    KeepCheckpoint keep = [&parts, &opened](vault::SignedCheckpoint checkpoint) -> awaitable<Result<void>> {
        store::Batch batch;
        batch.epoch = opened.epochs.epoch;
        batch.unprotected = opened.epochs.unprotected;
        batch.time_mark = opened.time_mark;
        batch.events.push_back(opened.trail.append(checkpoint));
        batch.checkpoint = std::move(checkpoint);
        const auto commit = [&] { return opened.store->commit(batch); };
        co_return co_await run_on(parts.store_thread, commit);
    };
    const auto made = co_await make_checkpoint(parts.store_thread, *opened.store, parts.hardware, std::move(keep));
    if (made) co_return Result<void>{};
    co_return Error{made.error().code, "Every string is encrypted to the new recipient, but the device has not signed that yet: "
                                       "it does so when hwvaultd is started. " + made.error().message};
}

}  // namespace

awaitable<Result<NewRecipient>> change_recipient(OpeningParts parts, vault::Event event) {
    NewRecipient changed;
    {
        HWVAULT_CO_TRY(Opened opened, co_await open_latest(parts));
        HWVAULT_CO_TRY(opened.recipient, read_recipient(parts.recipient_file));
        if (opened.recipient) changed.fingerprint = opened.recipient->fingerprint();
        if (changed.fingerprint == opened.on_record) {
            co_return invalid_argument("The recovery recipient of hwvault.toml is the vault's already. Nothing was changed.");
        }
        store::Batch batch;
        for (vault::Token& token : tokens_with_strings(*opened.vault)) {
            HWVAULT_CO_TRY(auto write, co_await rewritten(parts, opened, std::move(token)));
            batch.changes.emplace_back().tokens.push_back(std::move(write));
        }
        if (opened.recipient) changed.strings = batch.changes.size();
        batch.epoch = opened.epochs.epoch;
        batch.time_mark = std::max(opened.time_mark, event.time);
        event.decided_by += changed.fingerprint ? " " + hex_of(*changed.fingerprint) : " none";
        batch.events.push_back(opened.trail.append(event));
        HWVAULT_CO_CHECK(co_await run_on(parts.store_thread, [&] {
            auto written = opened.store->set_recipient(changed.fingerprint, batch);
            opened.store.reset();
            return written;
        }));
    }
    HWVAULT_CO_CHECK(co_await sign(parts));
    co_return changed;
}

}  // namespace hwvault::service
