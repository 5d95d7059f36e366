// SPDX-License-Identifier: LGPL-2.1-or-later
#include "daemon/audit/trail.h"

#include <utility>

#include "foundation/fields.h"

namespace hwvault::audit {
namespace {

crypto::Digest link_hash(const crypto::Digest& previous, std::uint64_t sequence, BytesView body) {
    return crypto::sha256(FieldWriter().bytes(previous).number(sequence).bytes(body).view());
}

}  // namespace

vault::EventLink Trail::append(const Entry& entry) {
    vault::EventLink link{sequence_ + 1, encode(entry), {}};
    link.hash = link_hash(head_, link.sequence, link.body);
    sequence_ = link.sequence;
    head_ = link.hash;
    return link;
}

bool Trail::follow(const vault::EventLink& link) {
    if (link.sequence != sequence_ + 1 || link.hash != link_hash(head_, link.sequence, link.body)) return false;
    sequence_ = link.sequence;
    head_ = link.hash;
    return true;
}

}  // namespace hwvault::audit
