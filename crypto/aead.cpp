// SPDX-License-Identifier: LGPL-2.1-or-later
#include "crypto/aead.h"

#include "crypto/handles.h"

namespace hwvault::crypto {
namespace {

constexpr std::uint8_t kNonce[12] = {};

int size_of(BytesView bytes) {
    return static_cast<int>(bytes.size());
}

}  // namespace

Result<Bytes> seal_once(const SecretBytes& key, BytesView associated, BytesView plaintext) {
    if (key.size() != kSealKeySize) return Error{ErrorCode::kInternal, "A sealing key must be 32 bytes."};
    const CipherContext context{EVP_CIPHER_CTX_new()};
    Bytes sealed(plaintext.size() + kSealTagSize);
    int written = 0;
    int finished = 0;
    const bool done =
        context != nullptr &&
        EVP_EncryptInit_ex2(context.get(), EVP_aes_256_gcm(), key.reveal().data(), kNonce, nullptr) == 1 &&
        EVP_EncryptUpdate(context.get(), nullptr, &written, associated.data(), size_of(associated)) == 1 &&
        EVP_EncryptUpdate(context.get(), sealed.data(), &written, plaintext.data(), size_of(plaintext)) == 1 &&
        EVP_EncryptFinal_ex(context.get(), sealed.data() + written, &finished) == 1 &&
        EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_AEAD_GET_TAG, kSealTagSize, sealed.data() + plaintext.size()) == 1;
    if (!done) return openssl_error("AES-256-GCM encryption");
    return sealed;
}

Result<SecretBytes> open_sealed(const SecretBytes& key, BytesView associated, BytesView sealed) {
    if (key.size() != kSealKeySize) return Error{ErrorCode::kInternal, "A sealing key must be 32 bytes."};
    const Error forged{ErrorCode::kStoreTampered,
                       "A sealed secret does not open: it was changed, or belongs to another device or record."};
    if (sealed.size() < kSealTagSize) return forged;
    const BytesView ciphertext = sealed.first(sealed.size() - kSealTagSize);
    Bytes tag(sealed.end() - kSealTagSize, sealed.end());

    const CipherContext context{EVP_CIPHER_CTX_new()};
    SecretBytes plaintext(ciphertext.size());
    std::uint8_t* const output = plaintext.reveal_to_fill().data();
    int written = 0;
    int finished = 0;
    const bool ready =
        context != nullptr &&
        EVP_DecryptInit_ex2(context.get(), EVP_aes_256_gcm(), key.reveal().data(), kNonce, nullptr) == 1 &&
        EVP_DecryptUpdate(context.get(), nullptr, &written, associated.data(), size_of(associated)) == 1 &&
        EVP_DecryptUpdate(context.get(), output, &written, ciphertext.data(), size_of(ciphertext)) == 1 &&
        EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_AEAD_SET_TAG, kSealTagSize, tag.data()) == 1;
    if (!ready) return openssl_error("AES-256-GCM decryption");
    if (EVP_DecryptFinal_ex(context.get(), output + written, &finished) != 1) return forged;
    return plaintext;
}

}  // namespace hwvault::crypto
