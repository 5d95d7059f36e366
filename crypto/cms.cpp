// SPDX-License-Identifier: LGPL-2.1-or-later
#include "crypto/cms.h"

#include <algorithm>
#include <cstring>
#include <limits>
#include <optional>
#include <utility>

#include <openssl/cms.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>

#include "crypto/handles.h"

namespace hwvault::crypto {
namespace {

constexpr int kMinRsaBits = 2048;
constexpr int kMaxRsaBits = 16384;  // above it OpenSSL's own limits begin

using Bio = std::unique_ptr<BIO, Deleter<BIO_free_all>>;
using CmsMessage = std::unique_ptr<CMS_ContentInfo, Deleter<CMS_ContentInfo_free>>;
using Certificate = std::unique_ptr<X509, Deleter<X509_free>>;
using KeyIdentifier = std::unique_ptr<ASN1_OCTET_STRING, Deleter<ASN1_OCTET_STRING_free>>;

// Asks nobody: what is encrypted is no public key.
int no_passphrase(char* /*buffer*/, int /*size*/, int /*writing*/, void* /*user*/) {
    return -1;
}

// Reads the caller's bytes where they lie.
Bio reader_of(BytesView bytes) {
    return Bio{BIO_new_mem_buf(bytes.data(), static_cast<int>(bytes.size()))};
}

template <class T, int Write(const T*, unsigned char**)>
Result<Bytes> der_of(const T* object) {
    unsigned char* der = nullptr;
    const int size = Write(object, &der);
    if (size <= 0) return openssl_error("DER encoding");
    Bytes bytes(der, der + size);
    OPENSSL_free(der);
    return bytes;
}

int write_cms(const CMS_ContentInfo* message, unsigned char** der) {
    return i2d_CMS_ContentInfo(message, der);
}

Result<Digest> fingerprint_of(const EVP_PKEY* key) {
    HWVAULT_TRY(const Bytes der, der_of<EVP_PKEY, i2d_PUBKEY>(key));
    return sha256(der);
}

bool is_ec_key(const EVP_PKEY* key) {
    char group[32] = {};
    if (EVP_PKEY_is_a(key, "EC") != 1 || EVP_PKEY_get_group_name(key, group, sizeof group, nullptr) != 1) return false;
    const std::string_view name(group);
    return name == "prime256v1" || name == "secp384r1";
}

Result<void> check_kind(const EVP_PKEY* key) {
    const int bits = EVP_PKEY_get_bits(key);
    const bool rsa = EVP_PKEY_is_a(key, "RSA") == 1 && bits >= kMinRsaBits && bits <= kMaxRsaBits;
    if (rsa || is_ec_key(key)) return {};
    ERR_clear_error();
    return invalid_argument("A recovery key is an EC key on P-256 or P-384, or an RSA key of 2048 bits or more; this one "
                            "is neither.");
}

// CMS names a recipient by what is in a certificate; for a bare key that is the key's own identifier (RFC 5280,
// 4.2.1.2). Nobody checks the signature; it is there because OpenSSL takes no certificate without one.
Result<Certificate> certificate_around(EVP_PKEY* key) {
    HWVAULT_TRY(const Digest digest, fingerprint_of(key));
    constexpr int kIdentifierSize = 20;
    const KeyIdentifier identifier{ASN1_OCTET_STRING_new()};
    const Pkey signer{EVP_EC_gen("P-256")};
    Certificate certificate{X509_new()};
    const bool made = identifier != nullptr && signer != nullptr && certificate != nullptr &&
                      ASN1_OCTET_STRING_set(identifier.get(), digest.data(), kIdentifierSize) == 1 &&
                      X509_set_version(certificate.get(), X509_VERSION_3) == 1 &&
                      X509_set_pubkey(certificate.get(), key) == 1 &&
                      X509_gmtime_adj(X509_getm_notBefore(certificate.get()), 0) != nullptr &&
                      X509_gmtime_adj(X509_getm_notAfter(certificate.get()), 0) != nullptr &&
                      X509_add1_ext_i2d(certificate.get(), NID_subject_key_identifier, identifier.get(), 0, 0) == 1 &&
                      X509_sign(certificate.get(), signer.get(), EVP_sha256()) > 0;
    if (!made) return openssl_error("a certificate around the recovery key");
    return certificate;
}

Result<Certificate> read_certificate(BytesView pem) {
    if (Certificate given{PEM_read_bio_X509(reader_of(pem).get(), nullptr, no_passphrase, nullptr)}) return given;
    const Pkey bare{PEM_read_bio_PUBKEY(reader_of(pem).get(), nullptr, no_passphrase, nullptr)};
    ERR_clear_error();
    if (bare != nullptr) {
        HWVAULT_CHECK(check_kind(bare.get()));
        return certificate_around(bare.get());
    }
    if (text_of(pem).find("PRIVATE KEY-----") != std::string_view::npos) {
        return invalid_argument("It holds a private key, which must not lie on this host. Give the public half: "
                                "`openssl pkey -in KEY -pubout`.");
    }
    return invalid_argument("It holds neither a certificate nor a public key in PEM.");
}

// Padding and key derivation: OpenSSL's defaults here are PKCS#1 v1.5 and SHA-1.
bool set_algorithms(CMS_RecipientInfo* recipient) {
    EVP_PKEY_CTX* const context = CMS_RecipientInfo_get0_pkey_ctx(recipient);
    if (context == nullptr) return false;
    if (CMS_RecipientInfo_type(recipient) == CMS_RECIPINFO_AGREE) {
        return EVP_PKEY_CTX_set_ecdh_kdf_md(context, EVP_sha256()) == 1;
    }
    return EVP_PKEY_CTX_set_rsa_padding(context, RSA_PKCS1_OAEP_PADDING) == 1 &&
           EVP_PKEY_CTX_set_rsa_oaep_md(context, EVP_sha256()) == 1 &&
           EVP_PKEY_CTX_set_rsa_mgf1_md(context, EVP_sha256()) == 1;
}

struct Asking {
    const RecoveryKey::AskPassphrase& ask;
    std::optional<Error> failure;
};

int give_passphrase(char* buffer, int size, int /*writing*/, void* user) {
    Asking& asking = *static_cast<Asking*>(user);
    const auto passphrase = asking.ask();
    if (!passphrase) {
        asking.failure = passphrase.error();
        return -1;
    }
    const BytesView bytes = passphrase->reveal();
    if (bytes.size() > static_cast<std::size_t>(size)) {
        asking.failure = invalid_argument("The passphrase is too long for OpenSSL.");
        return -1;
    }
    std::memcpy(buffer, bytes.data(), bytes.size());
    return static_cast<int>(bytes.size());
}

}  // namespace

void Recipient::Free::operator()(x509_st* certificate) const {
    X509_free(certificate);
}

void RecoveryKey::Free::operator()(evp_pkey_st* key) const {
    EVP_PKEY_free(key);
}

Result<Recipient> Recipient::parse(BytesView pem) {
    if (pem.size() > kMaxKeyFileSize) return invalid_argument("It is larger than a key or a certificate.");
    HWVAULT_TRY(Certificate certificate, read_certificate(pem));
    const EVP_PKEY* const key = X509_get0_pubkey(certificate.get());
    if (key == nullptr) {
        ERR_clear_error();
        return invalid_argument("OpenSSL cannot read the certificate's public key.");
    }
    HWVAULT_CHECK(check_kind(key));
    Recipient recipient;
    HWVAULT_TRY(recipient.fingerprint_, fingerprint_of(key));
    recipient.certificate_.reset(certificate.release());
    return recipient;
}

// Written into the cipher directly: CMS_encrypt() itself would pass the plaintext through buffers that it does not wipe.
Result<Bytes> Recipient::encrypt(BytesView plaintext) const {
    const bool by_identifier = X509_get0_subject_key_id(certificate_.get()) != nullptr;
    const unsigned flags = CMS_BINARY | CMS_PARTIAL;
    const CmsMessage message{CMS_encrypt(nullptr, nullptr, EVP_aes_256_gcm(), flags)};
    CMS_RecipientInfo* const recipient =
        message == nullptr ? nullptr
                           : CMS_add1_recipient_cert(message.get(), certificate_.get(),
                                                     CMS_KEY_PARAM | (by_identifier ? CMS_USE_KEYID : 0U));
    if (recipient == nullptr || !set_algorithms(recipient)) return openssl_error("CMS_add1_recipient_cert");
    const Bio cipher{CMS_dataInit(message.get(), nullptr)};
    const bool done = cipher != nullptr && plaintext.size() <= std::numeric_limits<int>::max() &&
                      BIO_write(cipher.get(), plaintext.data(), static_cast<int>(plaintext.size())) ==
                          static_cast<int>(plaintext.size()) &&
                      BIO_flush(cipher.get()) == 1 && CMS_dataFinal(message.get(), cipher.get()) == 1;
    if (!done) return openssl_error("CMS encryption");
    return der_of<CMS_ContentInfo, write_cms>(message.get());
}

Result<RecoveryKey> RecoveryKey::parse(const SecretBytes& pem, const AskPassphrase& ask) {
    Asking asking{ask, std::nullopt};
    RecoveryKey key;
    key.key_.reset(PEM_read_bio_PrivateKey(reader_of(pem.reveal()).get(), nullptr, give_passphrase, &asking));
    ERR_clear_error();
    if (asking.failure) return *asking.failure;
    if (key.key_ == nullptr) {
        return invalid_argument("It holds no private key in PEM, or the passphrase is wrong.");
    }
    HWVAULT_CHECK(check_kind(key.key_.get()));
    HWVAULT_TRY(key.fingerprint_, fingerprint_of(key.key_.get()));
    return key;
}

// Read out of the cipher directly, for the same reason. The tag is checked at the end; until then nothing is given.
Result<SecretBytes> RecoveryKey::decrypt(BytesView cms) const {
    const Error forged{ErrorCode::kStoreTampered,
                       "It does not open with the recovery key: it was changed, or encrypted to another key."};
    const unsigned char* der = cms.data();
    const CmsMessage message{d2i_CMS_ContentInfo(nullptr, &der, static_cast<long>(cms.size()))};
    const bool ours = message != nullptr && der == cms.data() + cms.size() &&
                      OBJ_obj2nid(CMS_get0_type(message.get())) == NID_id_smime_ct_authEnvelopedData &&
                      CMS_decrypt_set1_pkey(message.get(), key_.get(), nullptr) == 1;
    const Bio cipher{ours ? CMS_dataInit(message.get(), nullptr) : nullptr};
    ERR_clear_error();
    if (cipher == nullptr) return forged;

    SecretBytes plaintext(cms.size());  // what is encrypted is shorter than its message
    std::size_t size = 0;
    while (size < plaintext.size()) {
        const auto space = plaintext.reveal_to_fill().subspan(size);
        const int got = BIO_read(cipher.get(), space.data(), static_cast<int>(space.size()));
        if (got <= 0) break;
        size += static_cast<std::size_t>(got);
    }
    const bool authentic = BIO_get_cipher_status(cipher.get()) == 1;
    ERR_clear_error();
    if (!authentic) return forged;
    plaintext.shorten(size);
    return plaintext;
}

Result<std::string> public_key_pem(BytesView der) {
    const unsigned char* next = der.data();
    const Pkey key{d2i_PUBKEY(nullptr, &next, static_cast<long>(der.size()))};
    const Bio text{BIO_new(BIO_s_mem())};
    if (key == nullptr || text == nullptr || PEM_write_bio_PUBKEY(text.get(), key.get()) != 1) {
        ERR_clear_error();
        return invalid_argument("The public key does not read as one.");
    }
    char* data = nullptr;
    const long size = BIO_get_mem_data(text.get(), &data);
    return std::string(data, static_cast<std::size_t>(size));
}

Result<Bytes> public_key_der(BytesView pem) {
    const Pkey key{PEM_read_bio_PUBKEY(reader_of(pem).get(), nullptr, no_passphrase, nullptr)};
    ERR_clear_error();
    if (key == nullptr) return invalid_argument("It holds no public key in PEM.");
    return der_of<EVP_PKEY, i2d_PUBKEY>(key.get());
}

}  // namespace hwvault::crypto
