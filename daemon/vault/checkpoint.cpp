// SPDX-License-Identifier: LGPL-2.1-or-later
#include "daemon/vault/checkpoint.h"

#include "foundation/fields.h"

namespace hwvault::vault {

Bytes checkpoint_message(const Checkpoint& checkpoint) {
    return FieldWriter()
        .text("hwvault/checkpoint/1")
        .text("sequence")
        .number(checkpoint.sequence)
        .text("previous")
        .bytes(checkpoint.previous)
        .text("audit_head")
        .bytes(checkpoint.audit_head)
        .text("epoch")
        .number(checkpoint.epoch)
        .text("escrow_set")
        .bytes(checkpoint.escrow_set)
        .take();
}

}  // namespace hwvault::vault
