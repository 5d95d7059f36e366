// SPDX-License-Identifier: LGPL-2.1-or-later
#include "daemon/hardware/tpm/keys.h"

#include <tss2/tss2_mu.h>

#include "crypto/digest.h"
#include "crypto/p256.h"

namespace hwvault::hardware::tpm {
namespace {

constexpr TPMA_OBJECT kFixed = TPMA_OBJECT_FIXEDTPM | TPMA_OBJECT_FIXEDPARENT;
constexpr TPMA_OBJECT kBornInside = kFixed | TPMA_OBJECT_SENSITIVEDATAORIGIN;
// Its authorization value is 32 random bytes, so that guessing needs no lockout; and one would let anybody lock us out.
constexpr TPMA_OBJECT kKey = kBornInside | TPMA_OBJECT_USERWITHAUTH | TPMA_OBJECT_NODA | TPMA_OBJECT_SIGN_ENCRYPT;

TPM2B_PUBLIC area_of(TPMI_ALG_PUBLIC type, TPMA_OBJECT attributes) {
    TPM2B_PUBLIC area{};
    area.publicArea.type = type;
    area.publicArea.nameAlg = TPM2_ALG_SHA256;
    area.publicArea.objectAttributes = attributes;
    return area;
}

TPM2B_PUBLIC p256_area(TPMA_OBJECT attributes) {
    TPM2B_PUBLIC area = area_of(TPM2_ALG_ECC, attributes);
    TPMS_ECC_PARMS& parameters = area.publicArea.parameters.eccDetail;
    parameters.curveID = TPM2_ECC_NIST_P256;
    parameters.symmetric.algorithm = TPM2_ALG_NULL;
    parameters.scheme.scheme = TPM2_ALG_NULL;
    parameters.kdf.scheme = TPM2_ALG_NULL;
    return area;
}

// A decryption key that protects what is under it with AES-128-CFB.
TPM2B_PUBLIC storage_area(TPMA_OBJECT more) {
    TPM2B_PUBLIC area = p256_area(kBornInside | TPMA_OBJECT_RESTRICTED | TPMA_OBJECT_DECRYPT | more);
    TPMT_SYM_DEF_OBJECT& cipher = area.publicArea.parameters.eccDetail.symmetric;
    cipher.algorithm = TPM2_ALG_AES;
    cipher.keyBits.aes = 128;
    cipher.mode.aes = TPM2_ALG_CFB;
    return area;
}

// Template L-2 of the TCG's EK Credential Profile: what makes the endorsement key that the TPM's maker certified.
TPM2B_PUBLIC endorsement_area() {
    // PolicySecret(TPM_RH_ENDORSEMENT), from the profile, appendix B.
    constexpr std::uint8_t kPolicy[] = {0x83, 0x71, 0x97, 0x67, 0x44, 0x84, 0xb3, 0xf8, 0x1a, 0x90, 0xcc,
                                        0x8d, 0x46, 0xa5, 0xd7, 0x24, 0xfd, 0x52, 0xd7, 0x6e, 0x06, 0x52,
                                        0x0b, 0x64, 0xf2, 0xa1, 0xda, 0x1b, 0x33, 0x14, 0x69, 0xaa};
    TPM2B_PUBLIC area = storage_area(TPMA_OBJECT_ADMINWITHPOLICY);
    put(area.publicArea.authPolicy, kPolicy);
    area.publicArea.unique.ecc.x.size = 32;  // of zeroes
    area.publicArea.unique.ecc.y.size = 32;
    return area;
}

Result<Object> create_primary(Context& context, ESYS_TR hierarchy, const TPM2B_PUBLIC& area) {
    const TPM2B_SENSITIVE_CREATE no_secret{};
    const TPM2B_DATA no_data{};
    const TPML_PCR_SELECTION no_pcrs{};
    ESYS_TR handle = ESYS_TR_NONE;
    Out<TPM2B_PUBLIC> made;
    Out<TPM2B_CREATION_DATA> data;
    Out<TPM2B_DIGEST> hash;
    Out<TPMT_TK_CREATION> ticket;
    HWVAULT_CHECK(context.call("Esys_CreatePrimary", [&](ESYS_CONTEXT* esys) {
        return Esys_CreatePrimary(esys, hierarchy, ESYS_TR_PASSWORD, ESYS_TR_NONE, ESYS_TR_NONE, &no_secret, &area,
                                  &no_data, &no_pcrs, &handle, made.fill(), data.fill(), hash.fill(), ticket.fill());
    }));
    return Object(context, handle);
}

template <class T>
Bytes marshal(const T& structure, TSS2_RC (*marshaller)(const T*, std::uint8_t*, std::size_t, std::size_t*)) {
    Bytes bytes(sizeof structure);
    std::size_t size = 0;
    if (marshaller(&structure, bytes.data(), bytes.size(), &size) != TSS2_RC_SUCCESS) size = 0;
    bytes.resize(size);
    return bytes;
}

// Exactly one structure, to the last byte.
template <class T>
bool unmarshal(BytesView bytes, T& structure, TSS2_RC (*unmarshaller)(const std::uint8_t*, std::size_t, std::size_t*, T*)) {
    std::size_t size = 0;
    return unmarshaller(bytes.data(), bytes.size(), &size, &structure) == TSS2_RC_SUCCESS && size == bytes.size();
}

Error damaged(std::string_view file) {
    return hardware_unavailable("The key " + std::string(file) +
                                " is no TPM 2.0 blob, or only a part of one: put it back from a backup.");
}

Result<TPM2B_PUBLIC> public_area(const Blob& blob, std::string_view what) {
    TPM2B_PUBLIC area{};
    if (!unmarshal(blob.public_area, area, Tss2_MU_TPM2B_PUBLIC_Unmarshal)) return damaged(what);
    return area;
}

KeyDescription description(const TPM2B_PUBLIC& area, std::string purpose, std::string kind) {
    const TPMA_OBJECT attributes = area.publicArea.objectAttributes;
    KeyDescription key;
    key.label = purpose + ".pub";
    key.purpose = std::move(purpose);
    key.kind = std::move(kind);
    key.sensitive = (attributes & kFixed) == kFixed;
    key.never_extractable = (attributes & kFixed) == kFixed;
    key.local = (attributes & TPMA_OBJECT_SENSITIVEDATAORIGIN) != 0;
    return key;
}

Error not_ours(std::string_view what) {
    return hardware_unavailable("The " + std::string(what) +
                                " key is not one that hwvault makes (fixed to this TPM, born inside it, of its kind): put "
                                "its blob back from a backup.");
}

Result<Blob> create(const UnderPrimary& in, const TPM2B_SENSITIVE_CREATE& sensitive, const TPM2B_PUBLIC& area) {
    const TPM2B_DATA no_data{};
    const TPML_PCR_SELECTION no_pcrs{};
    Out<TPM2B_PRIVATE> private_half;
    Out<TPM2B_PUBLIC> public_half;
    Out<TPM2B_CREATION_DATA> data;
    Out<TPM2B_DIGEST> hash;
    Out<TPMT_TK_CREATION> ticket;
    HWVAULT_TRY(const ESYS_TR session, in.session.hiding(Hidden::kBoth));
    HWVAULT_CHECK(in.context.call("Esys_Create", [&](ESYS_CONTEXT* esys) {
        return Esys_Create(esys, in.primary.handle(), session, ESYS_TR_NONE, ESYS_TR_NONE, &sensitive, &area, &no_data,
                           &no_pcrs, private_half.fill(), public_half.fill(), data.fill(), hash.fill(), ticket.fill());
    }));
    return Blob{marshal(*public_half, Tss2_MU_TPM2B_PUBLIC_Marshal), marshal(*private_half, Tss2_MU_TPM2B_PRIVATE_Marshal)};
}

}  // namespace

Result<Object> make_primary(Context& context) {
    return create_primary(context, ESYS_TR_RH_OWNER, storage_area(TPMA_OBJECT_USERWITHAUTH | TPMA_OBJECT_NODA));
}

Bytes endorsement_name(Context& context) {
    const auto key = create_primary(context, ESYS_TR_RH_ENDORSEMENT, endorsement_area());
    if (!key) return {};
    const auto name = key->name();
    return name ? *name : Bytes{};
}

Result<Blob> make_root_key(const UnderPrimary& in, const SecretBytes& authorization) {
    TPM2B_PUBLIC area = area_of(TPM2_ALG_KEYEDHASH, kKey);
    TPMT_KEYEDHASH_SCHEME& scheme = area.publicArea.parameters.keyedHashDetail.scheme;
    scheme.scheme = TPM2_ALG_HMAC;
    scheme.details.hmac.hashAlg = TPM2_ALG_SHA256;
    Locked<TPM2B_SENSITIVE_CREATE> sensitive;
    put(sensitive->sensitive.userAuth, authorization.reveal());
    return create(in, *sensitive, area);
}

Result<Blob> make_signing_key(const UnderPrimary& in, const SecretBytes& authorization) {
    TPM2B_PUBLIC area = p256_area(kKey);
    TPMT_ECC_SCHEME& scheme = area.publicArea.parameters.eccDetail.scheme;
    scheme.scheme = TPM2_ALG_ECDSA;
    scheme.details.ecdsa.hashAlg = TPM2_ALG_SHA256;
    Locked<TPM2B_SENSITIVE_CREATE> sensitive;
    put(sensitive->sensitive.userAuth, authorization.reveal());
    return create(in, *sensitive, area);
}

Result<Blob> make_sealed(const UnderPrimary& in, const SecretBytes& content, const SecretBytes& pin, BytesView policy) {
    // No TPMA_OBJECT_USERWITHAUTH: there is no way around the policy.
    TPM2B_PUBLIC area = area_of(TPM2_ALG_KEYEDHASH, kFixed | (pin.empty() ? TPMA_OBJECT_NODA : 0));
    area.publicArea.parameters.keyedHashDetail.scheme.scheme = TPM2_ALG_NULL;
    put(area.publicArea.authPolicy, policy);
    Locked<TPM2B_SENSITIVE_CREATE> sensitive;
    put(sensitive->sensitive.userAuth, pin.reveal());
    put(sensitive->sensitive.data, content.reveal());
    return create(in, *sensitive, area);
}

Result<Object> load(const UnderPrimary& in, const Blob& blob, const std::string& file) {
    TPM2B_PRIVATE private_half{};
    if (!unmarshal(blob.private_area, private_half, Tss2_MU_TPM2B_PRIVATE_Unmarshal)) {
        return damaged(file + ".priv");
    }
    HWVAULT_TRY(const TPM2B_PUBLIC public_half, public_area(blob, file + ".pub"));
    HWVAULT_TRY(const ESYS_TR session, in.session.hiding(Hidden::kBoth));
    ESYS_TR handle = ESYS_TR_NONE;
    const auto loaded = in.context.call("Esys_Load", [&](ESYS_CONTEXT* esys) {
        return Esys_Load(esys, in.primary.handle(), session, ESYS_TR_NONE, ESYS_TR_NONE, &private_half, &public_half,
                         &handle);
    });
    if (!loaded) return Error{loaded.error().code, file + ": " + loaded.error().message};
    return Object(in.context, handle);
}

Result<SecretBytes> hmac(Context& context, Session& session, const Object& root, BytesView input) {
    TPM2B_MAX_BUFFER buffer{};
    if (input.size() > sizeof buffer.buffer) return invalid_argument("TPM2_HMAC takes at most 1,024 bytes.");
    put(buffer, input);
    Out<TPM2B_DIGEST> digest;
    HWVAULT_TRY(const ESYS_TR handle, session.hiding(Hidden::kBoth));
    HWVAULT_CHECK(context.call("Esys_HMAC", [&](ESYS_CONTEXT* esys) {
        return Esys_HMAC(esys, root.handle(), handle, ESYS_TR_NONE, ESYS_TR_NONE, &buffer, TPM2_ALG_SHA256,
                         digest.fill());
    }));
    if (digest->size != kDerivedSize) {
        return hardware_unavailable("Esys_HMAC gave " + std::to_string(digest->size) +
                                    " bytes for an HMAC-SHA-256, not 32, from the TPM at " + context.tcti() + ".");
    }
    return SecretBytes::copy_of(view(*digest));
}

Result<Bytes> sign(Context& context, Session& session, const Object& key, BytesView message) {
    TPM2B_DIGEST digest{};
    put(digest, crypto::sha256(message));
    TPMT_SIG_SCHEME scheme{};
    scheme.scheme = TPM2_ALG_NULL;  // the key's own
    TPMT_TK_HASHCHECK ticket{};     // none is needed: the key is not restricted
    ticket.tag = TPM2_ST_HASHCHECK;
    ticket.hierarchy = TPM2_RH_NULL;
    Out<TPMT_SIGNATURE> signature;
    HWVAULT_TRY(const ESYS_TR handle, session.hiding(Hidden::kCommand));
    HWVAULT_CHECK(context.call("Esys_Sign", [&](ESYS_CONTEXT* esys) {
        return Esys_Sign(esys, key.handle(), handle, ESYS_TR_NONE, ESYS_TR_NONE, &digest, &scheme, &ticket,
                         signature.fill());
    }));
    const TPMS_SIGNATURE_ECDSA& pair = signature->signature.ecdsa;
    return crypto::p256_signature(view(pair.signatureR), view(pair.signatureS));
}

Result<SecretBytes> random(Context& context, Session& session, std::size_t size) {
    SecretBytes bytes(size);
    std::size_t got = 0;
    while (got < size) {
        Out<TPM2B_DIGEST> part;
        HWVAULT_TRY(const ESYS_TR handle, session.hiding(Hidden::kAnswer));
        HWVAULT_CHECK(context.call("Esys_GetRandom", [&](ESYS_CONTEXT* esys) {
            return Esys_GetRandom(esys, handle, ESYS_TR_NONE, ESYS_TR_NONE,
                                  static_cast<UINT16>(std::min(size - got, kDerivedSize)), part.fill());
        }));
        const BytesView given = view(*part);
        if (given.empty() || given.size() > size - got) {
            return hardware_unavailable("Esys_GetRandom gave a wrong number of bytes, from the TPM at " +
                                        context.tcti() + ".");
        }
        std::copy(given.begin(), given.end(), bytes.reveal_to_fill().begin() + static_cast<std::ptrdiff_t>(got));
        got += given.size();
    }
    return bytes;
}

Result<KeyDescription> describe_root_key(const Blob& blob) {
    HWVAULT_TRY(const TPM2B_PUBLIC area, public_area(blob, "root.pub"));
    const TPMT_KEYEDHASH_SCHEME& scheme = area.publicArea.parameters.keyedHashDetail.scheme;
    const bool right = area.publicArea.type == TPM2_ALG_KEYEDHASH && area.publicArea.objectAttributes == kKey &&
                       scheme.scheme == TPM2_ALG_HMAC && scheme.details.hmac.hashAlg == TPM2_ALG_SHA256;
    if (!right) return not_ours("root");
    return description(area, "root", "HMAC-SHA-256");
}

Result<KeyDescription> describe_signing_key(const Blob& blob) {
    HWVAULT_TRY(const TPM2B_PUBLIC area, public_area(blob, "signing.pub"));
    const TPMS_ECC_PARMS& parameters = area.publicArea.parameters.eccDetail;
    const bool right = area.publicArea.type == TPM2_ALG_ECC && area.publicArea.objectAttributes == kKey &&
                       parameters.curveID == TPM2_ECC_NIST_P256 && parameters.scheme.scheme == TPM2_ALG_ECDSA;
    if (!right) return not_ours("signing");
    return description(area, "signing", "P-256");
}

Result<Bytes> public_key(const Blob& signing_key) {
    HWVAULT_TRY(const TPM2B_PUBLIC area, public_area(signing_key, "signing.pub"));
    const auto key = crypto::p256_public_key(view(area.publicArea.unique.ecc.x), view(area.publicArea.unique.ecc.y));
    if (!key) return not_ours("signing");
    return key;
}

}  // namespace hwvault::hardware::tpm
