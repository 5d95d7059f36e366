// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What an administrator does with the whole vault while hwvaultd does not serve it: makes it, takes an older store, makes
// it again after its device was lost. Each prints what came of it on standard output.
#pragma once

#include <string>

#include <sys/types.h>

#include <boost/asio/awaitable.hpp>

#include "daemon/main_parts.h"
#include "daemon/main_recovery.h"
#include "foundation/result.h"

namespace hwvault {

class Administration {
public:
    // `who` typed the command: for the audit trail, whatever this process runs as.
    Administration(Parts& parts, uid_t who) : parts_(parts), who_(who) {}

    using Outcome = boost::asio::awaitable<Result<void>>;

    // Makes the store of a device that has its keys, and says nothing. kAlreadyExists when there is one, which is left as it
    // is.
    Outcome make_store();
    // The same for a person: one that is there is a success, since the device alone may have needed `init`.
    Outcome initialise();
    Outcome accept_rollback();
    Outcome recover(LostVault lost, bool revoke_all);
    Outcome new_recipient();
    // The key alone on standard output, for a file; what it is on standard error.
    Outcome show_signing_key();

private:
    Outcome device_ready();
    // What the others end with, in a vault with recovery: the key, and that it is to be kept.
    Outcome hand_out_signing_key();
    // `what` was done with the vault.
    [[nodiscard]] vault::Event event_of(const std::string& what) const;

    Parts& parts_;
    uid_t who_;
};

}  // namespace hwvault
