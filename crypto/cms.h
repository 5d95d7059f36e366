// SPDX-License-Identifier: LGPL-2.1-or-later
//
// CMS AuthEnvelopedData (RFC 5083) with AES-256-GCM (RFC 5084): what is encrypted to a recipient's public key here, is
// opened years later, far away, by `openssl cms -decrypt -inform DER -inkey KEY`, and by nothing that lies on this host.
//
// A recipient is an X.509 certificate or a bare public key; the certificate's names, dates and signatures decide
// nothing, it is a way to write a key down. EC keys (P-256, P-384): ECDH with an ephemeral key, X9.63 KDF over SHA-256,
// AES-256 key wrap. RSA keys (2,048 to 16,384 bits): OAEP over SHA-256. An object is used by one thread at a time.
#pragma once

#include <functional>
#include <memory>

#include "crypto/digest.h"
#include "foundation/bytes.h"
#include "foundation/result.h"
#include "foundation/secret.h"

extern "C" {
struct x509_st;
struct evp_pkey_st;
}

namespace hwvault::crypto {

constexpr std::size_t kMaxKeyFileSize = 64 << 10;  // bytes of a PEM file with a key or a certificate

// The offline key that is encrypted to.
class Recipient {
public:
    // PEM. kInvalidArgument for another kind of key, a weak one, a private one, or no key at all.
    static Result<Recipient> parse(BytesView pem);

    // SHA-256 of the DER SubjectPublicKeyInfo: the same for a key and for every certificate of it.
    [[nodiscard]] const Digest& fingerprint() const { return fingerprint_; }
    // The DER ContentInfo.
    [[nodiscard]] Result<Bytes> encrypt(BytesView plaintext) const;

private:
    struct Free {
        void operator()(x509_st* certificate) const;
    };
    std::unique_ptr<x509_st, Free> certificate_;  // of a bare key, one made around it in memory
    Digest fingerprint_{};
};

// The private half, that is on this host only while it recovers.
class RecoveryKey {
public:
    // Called when the key is encrypted, at most once.
    using AskPassphrase = std::function<Result<SecretBytes>()>;

    // PEM, PKCS#8 or the older forms. kInvalidArgument when it holds no private key of a kind that Recipient takes, or
    // the passphrase is wrong.
    static Result<RecoveryKey> parse(const SecretBytes& pem, const AskPassphrase& ask);

    [[nodiscard]] const Digest& fingerprint() const { return fingerprint_; }
    // What Recipient::encrypt() made; kStoreTampered when it was made for another key, or changed.
    [[nodiscard]] Result<SecretBytes> decrypt(BytesView cms) const;

private:
    struct Free {
        void operator()(evp_pkey_st* key) const;
    };
    std::unique_ptr<evp_pkey_st, Free> key_;
    Digest fingerprint_{};
};

// A public key as a person keeps it: the PEM of a DER SubjectPublicKeyInfo, and back. kInvalidArgument when there is none.
Result<std::string> public_key_pem(BytesView der);
Result<Bytes> public_key_der(BytesView pem);

}  // namespace hwvault::crypto
