// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The store of a device that is lost, as far as it can be believed (docs/formats/escrow.md, "Recovering"): signed by that
// device, opened with the recovery key, and cut back by what has been taken away since.
//
// Nothing is given before the signature, the set and the key were checked. Blocking, for one thread at a time.
#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "crypto/cms.h"
#include "daemon/store/salvage.h"

namespace hwvault::service {

// A token that does not come back as it was, and why.
struct LeftOut {
    std::string token;  // "app:billing/deploy"
    std::string why;    // completes a sentence that begins with it
};

struct SignedRecords {
    store::Header header;
    vault::Checkpoint checkpoint;
    std::vector<vault::Account> accounts;
    std::vector<vault::Token> tokens;  // each of one of the accounts
    std::vector<LeftOut> left_out;
};

class SignedStore {
public:
    struct Keys {
        crypto::RecoveryKey recovery;
        Bytes signing;  // DER, of the lost device
    };
    // kInvalidArgument when a key is another than the store's, or the store has no recovery; kStoreTampered when it is not
    // what the device signed, naming the records where that can be known; else as store::Salvage::open().
    static Result<std::unique_ptr<SignedStore>> open(const std::filesystem::path& file, Keys keys);

    // Moves them out, so call it once.
    SignedRecords take() { return std::move(records_); }

    // The string of a token's current generation. kNotFound when it is not in escrow; kStoreTampered when what is there is
    // not its string.
    Result<SecretBytes> string_of(const vault::Account& account, const vault::Token& token);

private:
    SignedStore(std::unique_ptr<store::Salvage> salvage, Keys keys)
        : salvage_(std::move(salvage)), keys_(std::move(keys)) {}
    Result<void> check(const store::Salvaged& salvaged);
    std::string bad_records(const store::Salvaged& salvaged);
    void take_records(store::Salvaged salvaged);
    void take_token(const store::SalvagedToken& salvaged, const std::string& name);

    std::unique_ptr<store::Salvage> salvage_;
    Keys keys_;
    store::Header header_;
    SignedRecords records_;
};

}  // namespace hwvault::service
