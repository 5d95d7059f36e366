// SPDX-License-Identifier: LGPL-2.1-or-later
#include "daemon/hardware/pkcs11/keys.h"

namespace hwvault::hardware::pkcs11 {
namespace {

// DER of the object identifier 1.2.840.10045.3.1.7, prime256v1 (RFC 5480).
constexpr std::uint8_t kP256[] = {0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07};

struct Sought {
    std::string_view purpose;
    std::string_view label;
    CK_OBJECT_CLASS object_class;
};
constexpr Sought kRoot{"root", kRootKeyLabel, CKO_SECRET_KEY};
constexpr Sought kSigning{"signing", kSigningKeyLabel, CKO_PRIVATE_KEY};

Error refused(const Session& session, const Sought& sought, const std::string& reason) {
    return {ErrorCode::kHardwareUnavailable, "The key " + std::string(sought.label) + " on token " +
                                                 session.token().name() + " is refused: " + reason};
}

Result<std::optional<CK_OBJECT_HANDLE>> find_one(const Session& session, const Sought& sought) {
    HWVAULT_TRY(const auto found, find_objects(session, Template()
                                                            .number(CKA_CLASS, sought.object_class)
                                                            .text(CKA_LABEL, sought.label)));
    if (found.size() > 1) {
        return refused(session, sought, "there are two keys with this label, and which one is right cannot be known. "
                                        "Remove or rename the wrong one with the token's own tool.");
    }
    if (found.empty()) return std::optional<CK_OBJECT_HANDLE>();
    return std::optional(found.front());
}

// What the token says of the key, which must be that it was born there and cannot leave.
Result<Key> examine(const Session& session, CK_OBJECT_HANDLE handle, const Sought& sought) {
    Key key{handle, {std::string(sought.purpose), std::string(sought.label), "", false, false, false}};
    KeyDescription& description = key.description;
    HWVAULT_TRY(description.sensitive, read_flag(session, handle, {CKA_SENSITIVE, "CKA_SENSITIVE"}));
    HWVAULT_TRY(description.never_extractable,
                read_flag(session, handle, {CKA_NEVER_EXTRACTABLE, "CKA_NEVER_EXTRACTABLE"}));
    HWVAULT_TRY(description.local, read_flag(session, handle, {CKA_LOCAL, "CKA_LOCAL"}));
    std::string missing;
    if (!description.sensitive) missing += " CKA_SENSITIVE";
    if (!description.never_extractable) missing += " CKA_NEVER_EXTRACTABLE";
    if (!description.local) missing += " CKA_LOCAL";
    if (!missing.empty()) {
        return refused(session, sought, "the token does not vouch for" + missing +
                                            ", so its value may be known outside. Rename it and run `hwvault init`.");
    }
    return key;
}

Result<void> set_kind_of_root(const Session& session, Key& key) {
    HWVAULT_TRY(const CK_KEY_TYPE kind, read_number(session, key.handle, {CKA_KEY_TYPE, "CKA_KEY_TYPE"}));
    if (kind == CKK_GENERIC_SECRET) {
        key.description.kind = "CKK_GENERIC_SECRET";
    } else if (kind == CKK_SHA256_HMAC) {
        key.description.kind = "CKK_SHA256_HMAC";
    } else {
        return refused(session, kRoot, "it is neither CKK_GENERIC_SECRET nor CKK_SHA256_HMAC.");
    }
    return {};
}

Result<void> set_kind_of_signing(const Session& session, Key& key) {
    HWVAULT_TRY(const CK_KEY_TYPE kind, read_number(session, key.handle, {CKA_KEY_TYPE, "CKA_KEY_TYPE"}));
    if (kind != CKK_EC) return refused(session, kSigning, "it is no elliptic-curve key.");
    HWVAULT_TRY(const Bytes curve, read_bytes(session, key.handle, {CKA_EC_PARAMS, "CKA_EC_PARAMS"}));
    if (!std::equal(curve.begin(), curve.end(), std::begin(kP256), std::end(kP256))) {
        return refused(session, kSigning, "its curve is not P-256.");
    }
    key.description.kind = "P-256";
    return {};
}

Error missing_key(const Session& session, const Sought& sought) {
    return {ErrorCode::kNotInitialised, "Token " + session.token().name() + " has no key " +
                                            std::string(sought.label) + ": run `hwvault init`."};
}

// tpm2-pkcs11 knows no CKM_GENERIC_SECRET_KEY_GEN; its own tool makes such a key.
Error make_it_beforehand(const Session& session, CK_RV rv) {
    return {ErrorCode::kInvalidArgument,
            "C_GenerateKey: " + name_of(rv) + " on token " + session.token().name() +
                ". This module makes no secret keys, so make one with the module's own tool and run `hwvault init` "
                "again. For tpm2-pkcs11: `tpm2_ptool addkey --algorithm hmac:sha256 --label \"" +
                session.token().p11_token().label + "\" --key-label " + std::string(kRootKeyLabel) + "`."};
}

}  // namespace

Result<std::optional<Key>> find_root_key(const Session& session) {
    HWVAULT_TRY(const auto handle, find_one(session, kRoot));
    if (!handle) return std::optional<Key>();
    HWVAULT_TRY(Key key, examine(session, *handle, kRoot));
    HWVAULT_CHECK(set_kind_of_root(session, key));
    return std::optional(std::move(key));
}

Result<std::optional<Key>> find_signing_key(const Session& session) {
    HWVAULT_TRY(const auto handle, find_one(session, kSigning));
    if (!handle) return std::optional<Key>();
    HWVAULT_TRY(Key key, examine(session, *handle, kSigning));
    HWVAULT_CHECK(set_kind_of_signing(session, key));
    return std::optional(std::move(key));
}

Result<Keys> find_keys(const Session& session) {
    HWVAULT_TRY(auto root, find_root_key(session));
    if (!root) return missing_key(session, kRoot);
    HWVAULT_TRY(auto signing, find_signing_key(session));
    if (!signing) return missing_key(session, kSigning);
    return Keys{*std::move(root), *std::move(signing)};
}

Result<void> generate_root_key(const Session& session) {
    CK_MECHANISM mechanism{CKM_GENERIC_SECRET_KEY_GEN, nullptr, 0};
    Template attributes;
    attributes.number(CKA_CLASS, CKO_SECRET_KEY)
        .number(CKA_KEY_TYPE, CKK_GENERIC_SECRET)
        .number(CKA_VALUE_LEN, kDerivedSize)
        .text(CKA_LABEL, kRootKeyLabel)
        .flag(CKA_TOKEN, true)
        .flag(CKA_PRIVATE, true)
        .flag(CKA_SENSITIVE, true)
        .flag(CKA_EXTRACTABLE, false)
        .flag(CKA_SIGN, true);
    CK_OBJECT_HANDLE key = 0;
    const CK_RV rv = session.functions().C_GenerateKey(session.handle(), &mechanism, attributes.data(),
                                                       attributes.size(), &key);
    if (rv == CKR_MECHANISM_INVALID || rv == CKR_FUNCTION_NOT_SUPPORTED) return make_it_beforehand(session, rv);
    return session.check("C_GenerateKey", rv);
}

Result<void> generate_signing_key(const Session& session) {
    CK_MECHANISM mechanism{CKM_EC_KEY_PAIR_GEN, nullptr, 0};
    // libp11 finds the public half by CKA_ID, so both halves have the same.
    Template public_half;
    public_half.bytes(CKA_EC_PARAMS, kP256)
        .text(CKA_LABEL, kSigningKeyLabel)
        .text(CKA_ID, kSigningKeyLabel)
        .flag(CKA_TOKEN, true)
        .flag(CKA_VERIFY, true);
    Template private_half;
    private_half.text(CKA_LABEL, kSigningKeyLabel)
        .text(CKA_ID, kSigningKeyLabel)
        .flag(CKA_TOKEN, true)
        .flag(CKA_PRIVATE, true)
        .flag(CKA_SENSITIVE, true)
        .flag(CKA_EXTRACTABLE, false)
        .flag(CKA_SIGN, true);
    CK_OBJECT_HANDLE public_key = 0;
    CK_OBJECT_HANDLE private_key = 0;
    return session.check("C_GenerateKeyPair", session.functions().C_GenerateKeyPair(
                                                  session.handle(), &mechanism, public_half.data(), public_half.size(),
                                                  private_half.data(), private_half.size(), &public_key, &private_key));
}

Result<SecretBytes> hmac(const Session& session, const Key& root, BytesView input) {
    CK_MECHANISM mechanism{CKM_SHA256_HMAC, nullptr, 0};
    CK_FUNCTION_LIST& functions = session.functions();
    HWVAULT_CHECK(session.check("C_SignInit", functions.C_SignInit(session.handle(), &mechanism, root.handle)));
    SecretBytes output(kDerivedSize);
    CK_ULONG size = output.size();
    auto* const bytes = const_cast<CK_BYTE*>(input.data());  // not written to
    HWVAULT_CHECK(session.check("C_Sign", functions.C_Sign(session.handle(), bytes, input.size(),
                                                           output.reveal_to_fill().data(), &size)));
    if (size != kDerivedSize) {
        return Error{ErrorCode::kHardwareUnavailable, "C_Sign on token " + session.token().name() + " gave " +
                                                          std::to_string(size) + " bytes for an HMAC-SHA-256, not 32."};
    }
    return output;
}

}  // namespace hwvault::hardware::pkcs11
