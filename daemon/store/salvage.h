// SPDX-License-Identifier: LGPL-2.1-or-later
//
// A store that is read without its device (docs/formats/escrow.md, "Recovering"): its MACs cannot be checked, so nothing
// in it is to be believed but what the newest checkpoint signs. Whoever asks checks that signature, and that the set is
// the one that was signed.
//
// Nothing of the file is changed, and no older schema is taken up. Blocking, for one thread at a time.
#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "daemon/store/store.h"

namespace hwvault::store {

// A record as it was at the checkpoint, and as the file has it now; none when it is gone, or does not read as one.
template <class T>
struct Twofold {
    T then;
    std::optional<T> now;
};

struct SalvagedToken {
    Twofold<vault::Token> token;
    bool had_escrow{false};  // at the checkpoint
};

struct Salvaged {
    Header header;
    std::optional<vault::SignedCheckpoint> checkpoint;  // nullopt: nothing below is of any worth
    crypto::Digest set{};                               // of all that was there at the checkpoint
    std::vector<Twofold<vault::Account>> accounts;
    std::vector<SalvagedToken> tokens;
    bool unreadable{false};  // a record of then does not read as one; it is in the set, and not among those above
    std::vector<std::string> later;  // tokens that the checkpoint does not know, as "account/name"
};

class Salvage {
public:
    // kNotFound when there is no file, kBusy while another process has it, kInvalidArgument for another schema than
    // this program's, kStoreTampered when it does not read as a store.
    static Result<std::unique_ptr<Salvage>> open(const std::filesystem::path& file);
    virtual ~Salvage() = default;

    // What was read; moves it out, so call it once.
    virtual Salvaged take() = 0;
    // A token's escrow, as it was at the checkpoint; nullopt: it is gone, or another one has taken its place.
    virtual Result<std::optional<Bytes>> escrow(const vault::Id& token) = 0;
};

}  // namespace hwvault::store
