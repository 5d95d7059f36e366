// SPDX-License-Identifier: LGPL-2.1-or-later
#include "daemon/hardware/pkcs11/libp11_slot.h"

#include <openssl/err.h>
#include <openssl/x509.h>

namespace hwvault::hardware::pkcs11 {
namespace {

Result<void> answers(const Session& session) {
    CK_SESSION_INFO info{};
    HWVAULT_CHECK(
        session.check("C_GetSessionInfo", session.functions().C_GetSessionInfo(session.handle(), &info)));
    ERR_clear_error();  // so that what is in OpenSSL's queue afterwards is of the call that follows
    return {};
}

Result<crypto::Pkey> signing_key(const Token& token) {
    PKCS11_KEY* keys = nullptr;
    unsigned int count = 0;
    if (PKCS11_enumerate_keys(token.p11_slot()->token, &keys, &count) != 0) {
        return libp11_error("PKCS11_enumerate_keys", token.name());
    }
    for (unsigned int i = 0; i < count; ++i) {
        if (keys[i].label == nullptr || keys[i].label != kSigningKeyLabel) continue;
        crypto::Pkey key{PKCS11_get_private_key(&keys[i])};
        if (key == nullptr) return libp11_error("PKCS11_get_private_key", token.name());
        return key;
    }
    return Error{ErrorCode::kNotInitialised, "libp11 finds no private key " + std::string(kSigningKeyLabel) +
                                                 " on token " + token.name() + ": run `hwvault init`."};
}

}  // namespace

Result<std::unique_ptr<Libp11Slot>> Libp11Slot::open(const Session& session) {
    HWVAULT_CHECK(answers(session));
    {
        // Without one to spare, libp11 would wait for ever.
        HWVAULT_TRY(const Session to_spare, Session::open(session.token(), Access::kRead));
    }
    HWVAULT_TRY(crypto::Pkey key, signing_key(session.token()));
    std::unique_ptr<Libp11Slot> slot(new Libp11Slot(session.token(), std::move(key)));
    HWVAULT_CHECK(slot->read_public_key());
    return slot;
}

Result<void> Libp11Slot::read_public_key() {
    const int size = i2d_PUBKEY(key_.get(), nullptr);
    if (size <= 0) return libp11_error("i2d_PUBKEY of " + std::string(kSigningKeyLabel), token_.name());
    public_key_.resize(static_cast<std::size_t>(size));
    unsigned char* end = public_key_.data();
    i2d_PUBKEY(key_.get(), &end);
    return {};
}

Result<Bytes> Libp11Slot::sign(const Session& session, BytesView message) {
    const std::lock_guard lock(mutex_);
    HWVAULT_CHECK(answers(session));
    const crypto::MdContext context{EVP_MD_CTX_new()};
    std::size_t size = 0;
    Bytes signature;
    const bool sized =
        context != nullptr && EVP_DigestSignInit(context.get(), nullptr, EVP_sha256(), nullptr, key_.get()) == 1 &&
        EVP_DigestSign(context.get(), nullptr, &size, message.data(), message.size()) == 1;
    signature.resize(size);
    if (!sized || EVP_DigestSign(context.get(), signature.data(), &size, message.data(), message.size()) != 1) {
        return libp11_error("C_Sign with " + std::string(kSigningKeyLabel), token_.name());
    }
    signature.resize(size);
    return signature;
}

Result<SecretBytes> Libp11Slot::random(const Session& session, std::size_t size) {
    const std::lock_guard lock(mutex_);
    HWVAULT_CHECK(answers(session));
    SecretBytes bytes(size);
    const auto count = static_cast<unsigned int>(size);
    if (PKCS11_generate_random(token_.p11_slot(), bytes.reveal_to_fill().data(), count) != 0) {
        return libp11_error("C_GenerateRandom", token_.name());
    }
    return bytes;
}

}  // namespace hwvault::hardware::pkcs11
