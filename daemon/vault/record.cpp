// SPDX-License-Identifier: LGPL-2.1-or-later
#include "daemon/vault/record.h"

#include "foundation/fields.h"

namespace hwvault::vault {

Bytes token_context(const Id& vault, const Token& token, const Generation& generation) {
    return FieldWriter<>()
        .bytes(vault)
        .bytes(token.account)
        .text(token.name.text())
        .number(generation.number)
        .bytes(generation.nonce.value())
        .take();
}

Bytes seal_context(const Id& vault, const Token& token, const Nonce& seal_nonce) {
    return FieldWriter<>().bytes(vault).bytes(token.id).number(token.current().number).bytes(seal_nonce).take();
}

Bytes seal_identity(const Id& vault, const Token& token, const Nonce& seal_nonce) {
    return FieldWriter<>()
        .bytes(vault)
        .bytes(token.account)
        .bytes(token.id)
        .text(token.name.text())
        .number(token.current().number)
        .bytes(seal_nonce)
        .take();
}

}  // namespace hwvault::vault
