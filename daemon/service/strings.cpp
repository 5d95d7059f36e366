// SPDX-License-Identifier: LGPL-2.1-or-later
#include "daemon/service/strings.h"

#include <chrono>
#include <utility>

#include "crypto/aead.h"
#include "crypto/token_text.h"

namespace hwvault::service {
namespace {

using boost::asio::awaitable;

constexpr auto kDeriveDeadline = std::chrono::seconds(3);

awaitable<Result<SecretBytes>> derive(hardware::Hardware& hardware, hardware::Label label, Bytes context) {
    co_return co_await hardware.derive(label, std::move(context), std::chrono::steady_clock::now() + kDeriveDeadline);
}

}  // namespace

awaitable<Result<SecretBytes>> derive_string(hardware::Hardware& hardware, VaultName vault, vault::Token token) {
    Bytes context = vault::token_context(vault.id, token, token.current());
    auto secret = co_await derive(hardware, hardware::Label::kToken, std::move(context));
    if (!secret) co_return secret.error();
    co_return crypto::make_token_text(vault.prefix, token.current().id, *secret);
}

awaitable<Result<Bytes>> seal_string(hardware::Hardware& hardware, const vault::Id& vault, const vault::Token& token,
                                     const SecretBytes& string) {
    const vault::Nonce nonce = *token.seal_nonce;
    auto key = co_await derive(hardware, hardware::Label::kSeal, vault::seal_context(vault, token, nonce));
    if (!key) co_return key.error();
    co_return crypto::seal_once(*key, vault::seal_identity(vault, token, nonce), string.reveal());
}

awaitable<Result<SecretBytes>> unseal_string(hardware::Hardware& hardware, vault::Id vault, vault::Token token,
                                             Bytes sealed) {
    const vault::Nonce nonce = *token.seal_nonce;
    auto key = co_await derive(hardware, hardware::Label::kSeal, vault::seal_context(vault, token, nonce));
    if (!key) co_return key.error();
    co_return crypto::open_sealed(*key, vault::seal_identity(vault, token, nonce), sealed);
}

}  // namespace hwvault::service
