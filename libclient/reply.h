// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What the vault answered, read with suspicion: whoever listens at an address may send anything.
//
// A missing or mistyped field, a negative number, or a text that is longer than the contract's names can be is
// HWVAULT_ERROR_BAD_ANSWER, which names the field. A field that is not known is passed over, so that a newer vault
// can say more. Pure; tests/fuzz/client_reply.cpp feeds it.
#pragma once

#include <boost/json/object.hpp>

#include "foundation/bytes.h"
#include "libclient/failure.h"
#include "libclient/values.h"

namespace hwvault::libclient {

struct Reply {
    boost::json::object parameters;  // in locked memory
    bool continues{false};           // more replies follow
};

// One message without its NUL. An error that the vault sent is the Failure.
Answer<Reply> read_reply(BytesView message);

Answer<Retrieved> read_retrieved(const Reply& reply);
Answer<Verification> read_verification(const Reply& reply);
Answer<Info> read_info(const Reply& reply);
Answer<IndexPlaces> read_index_places(const Reply& reply);
Answer<Page> read_page(const Reply& reply);
Answer<Report> read_report(const Reply& reply);
Answer<Event> read_event(const Reply& reply);

}  // namespace hwvault::libclient
