// SPDX-License-Identifier: LGPL-2.1-or-later
#include "daemon/hardware/tpm/object.h"

namespace hwvault::hardware::tpm {
namespace {

Result<Bytes> name_of(Context& context, ESYS_TR handle) {
    Out<TPM2B_NAME> name;
    HWVAULT_CHECK(context.call("Esys_TR_GetName",
                               [&](ESYS_CONTEXT* esys) { return Esys_TR_GetName(esys, handle, name.fill()); }));
    const BytesView bytes = view(*name);
    return Bytes(bytes.begin(), bytes.end());
}

Result<void> set_authorization(Context& context, ESYS_TR handle, const SecretBytes& value) {
    Locked<TPM2B_AUTH> authorization;
    put(*authorization, value.reveal());
    return context.call("Esys_TR_SetAuth",
                        [&](ESYS_CONTEXT* esys) { return Esys_TR_SetAuth(esys, handle, &*authorization); });
}

}  // namespace

Result<Bytes> Object::name() const {
    return name_of(*context_, handle_);
}

Result<void> Object::authorize(const SecretBytes& value) {
    return set_authorization(*context_, handle_, value);
}

Result<Bytes> Reference::name() const {
    return name_of(*context_, handle_);
}

Result<void> Reference::authorize(const SecretBytes& value) {
    return set_authorization(*context_, handle_, value);
}

}  // namespace hwvault::hardware::tpm
