// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The service's answers as the types of org.hwvault.Vault.varlink. Pure; everything is in locked memory.
#pragma once

#include <boost/json/object.hpp>

#include "daemon/service/service.h"
#include "daemon/service/status.h"
#include "daemon/vault/info.h"
#include "foundation/bytes.h"

namespace hwvault::doors::varlink {

// What Retrieve and Verify give of an Info, and what the others do (contract, "D-Bus").
boost::json::object brief(const vault::Info& info);
boost::json::object brief(const service::Verification& active);
boost::json::object full(const vault::Info& info);

boost::json::object to_json(const service::Status& status);

// `token`, and `base64` where the bytes need it.
void put_token(boost::json::object& parameters, BytesView token);

}  // namespace hwvault::doors::varlink
