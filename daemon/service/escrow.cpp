// SPDX-License-Identifier: LGPL-2.1-or-later
#include "daemon/service/escrow.h"

#include "foundation/hex.h"
#include "os/file.h"

namespace hwvault::service {
namespace {

constexpr std::string_view kChange = " Put the file and its line in hwvault.toml back as they were, or make the change, on "
                                     "the record, with `hwvault recover --new-recipient`.";

Error other_recipient(const std::string& what) {
    return invalid_argument("The recovery recipient is not the vault's: " + what + std::string(kChange));
}

}  // namespace

Result<std::optional<crypto::Recipient>> read_recipient(const std::filesystem::path& file) {
    if (file.empty()) return std::optional<crypto::Recipient>{};
    const std::string name = "The recovery recipient " + file.string();
    const auto pem = os::read_file(file, crypto::kMaxKeyFileSize);
    if (!pem) return Error{pem.error().code, name + ": " + pem.error().message};
    auto recipient = crypto::Recipient::parse(*pem);
    if (!recipient) return Error{recipient.error().code, name + ": " + recipient.error().message};
    return std::optional{std::move(*recipient)};
}

Result<void> check_recipient(const std::optional<crypto::Recipient>& configured,
                             const std::optional<crypto::Digest>& on_record) {
    if (!configured && !on_record) return {};
    if (!on_record) return other_recipient("hwvault.toml names one, and the vault was made without.");
    const std::string expected = "the vault was made with the key whose fingerprint is " + hex_of(*on_record);
    if (!configured) return other_recipient("hwvault.toml names none, and " + expected + ".");
    if (configured->fingerprint() == *on_record) return {};
    return other_recipient(expected + ", and the file's is " + hex_of(configured->fingerprint()) + ".");
}

Result<Bytes> make_escrow(const crypto::Recipient& recipient, const vault::EscrowPlace& place, std::uint64_t epoch,
                          BytesView string) {
    const SecretBytes text = vault::escrow_text(place, epoch, string);
    return recipient.encrypt(text.reveal());
}

}  // namespace hwvault::service
