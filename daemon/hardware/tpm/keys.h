// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The storage primary, and the objects under it: the root key, the signing key, and the sealed authorization values.
// Templates and attributes are in docs/formats/tpm.md.
#pragma once

#include <string>

#include "daemon/hardware/device.h"
#include "daemon/hardware/tpm/session.h"

namespace hwvault::hardware::tpm {

// An object as it lies on the disk: TPM2B_PUBLIC and TPM2B_PRIVATE, marshalled, as tpm2-tools read and write them. The
// private half is encrypted and authenticated by the TPM, under the primary.
struct Blob {
    Bytes public_area;
    Bytes private_area;
};

// Makes the primary of the owner hierarchy: the same seed and the same template give the same key.
Result<Object> make_primary(Context& context);

// The name of the endorsement key. It stays when a TPM is cleared, and so tells a cleared TPM from another one. Empty
// where the endorsement hierarchy is closed to us.
Bytes endorsement_name(Context& context);

// Where objects are made and loaded: under a primary, in a session that is salted with it.
struct UnderPrimary {
    Context& context;
    const Object& primary;
    Session& session;
};

// `authorization` is the new key's authorization value.
Result<Blob> make_root_key(const UnderPrimary& in, const SecretBytes& authorization);
Result<Blob> make_signing_key(const UnderPrimary& in, const SecretBytes& authorization);
// Seals at most 128 bytes; only a session that satisfies `policy` gets them out. With a PIN, that is the object's
// authorization value, and wrong ones count towards the TPM's lockout.
Result<Blob> make_sealed(const UnderPrimary& in, const SecretBytes& content, const SecretBytes& pin, BytesView policy);

// kHardwareUnavailable, naming `file`, when it is damaged or not of this primary.
Result<Object> load(const UnderPrimary& in, const Blob& blob, const std::string& file);

// HMAC-SHA-256 of at most 1,024 bytes inside the TPM.
Result<SecretBytes> hmac(Context& context, Session& session, const Object& root, BytesView input);
// ECDSA P-256 over the SHA-256 of `message`, as a DER ECDSA-Sig-Value.
Result<Bytes> sign(Context& context, Session& session, const Object& key, BytesView message);
// kMaxRandomSize at most.
Result<SecretBytes> random(Context& context, Session& session, std::size_t size);

// From a blob's public area: what it says of the key, and for the signing key the DER SubjectPublicKeyInfo.
// kHardwareUnavailable when it is not what hwvault makes: fixed to this TPM, made inside it, of the right kind.
Result<KeyDescription> describe_root_key(const Blob& blob);
Result<KeyDescription> describe_signing_key(const Blob& blob);
Result<Bytes> public_key(const Blob& signing_key);

}  // namespace hwvault::hardware::tpm
