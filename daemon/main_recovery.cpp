// SPDX-License-Identifier: LGPL-2.1-or-later
#include "daemon/main_recovery.h"

#include <string_view>
#include <system_error>
#include <utility>

#include <sys/stat.h>
#include <unistd.h>

#include "foundation/hex.h"
#include "os/fd.h"
#include "os/file.h"
#include "os/terminal.h"

namespace hwvault {
namespace {

constexpr const char* kCopy = "lost-store.db";
constexpr unsigned kCopyMode = 0600;
constexpr std::size_t kMaxPassphrase = 1'000;  // bytes; OpenSSL's own cap is 1,024

Error about(const std::string& what, const std::filesystem::path& file, const Error& error) {
    return {error.code, what + " " + file.string() + ": " + error.message};
}

Result<SecretBytes> passphrase(const RecoveryFiles& files) {
    if (files.passphrase_file.empty()) {
        auto asked = os::ask_secret("Passphrase of " + files.recovery_key.string() + " (not shown): ", kMaxPassphrase);
        if (asked) return asked;
        return Error{asked.error().code, "The recovery key is encrypted, and its passphrase is needed. " +
                                             asked.error().message + " Put it into a file and name that by --passphrase-file."};
    }
    auto read = os::read_secret_file(files.passphrase_file, kMaxPassphrase + 1);
    if (!read) return about("The passphrase", files.passphrase_file, read.error());
    if (!read->empty() && read->reveal().back() == '\n') read->shorten(read->size() - 1);
    return read;
}

Result<crypto::RecoveryKey> read_recovery_key(const RecoveryFiles& files) {
    const auto pem = os::read_secret_file(files.recovery_key, crypto::kMaxKeyFileSize);
    if (!pem) return about("The recovery key", files.recovery_key, pem.error());
    auto key = crypto::RecoveryKey::parse(*pem, [&files] { return passphrase(files); });
    if (!key) return about("The recovery key", files.recovery_key, key.error());
    return key;
}

Result<Bytes> read_signing_key(const std::filesystem::path& file) {
    const auto pem = os::read_file(file, crypto::kMaxKeyFileSize);
    if (!pem) return about("The signing key", file, pem.error());
    auto der = crypto::public_key_der(*pem);
    if (!der) return about("The signing key", file, der.error());
    return der;
}

bool are_of_one_owner(const os::Fd& left, const os::Fd& right) {
    struct stat of_left {};
    struct stat of_right {};
    return ::fstat(left.get(), &of_left) == 0 && ::fstat(right.get(), &of_right) == 0 && of_left.st_uid == of_right.st_uid;
}

std::string counted(std::uint64_t count, std::string_view one, std::string_view many) {
    return "  " + std::to_string(count) + " " + std::string(count == 1 ? one : many) + "\n";
}

// Nothing when the device was told.
std::string warning_of(const Result<void>& device_told) {
    if (device_told) return "";
    return "The device was not told: " + device_told.error().message + " hwvaultd tells it when it starts; until then a copy of "
           "the store from before may be put in this one's place, so start it now.\n";
}

}  // namespace

// Whoever wrote the folder that it lies in may have put a link to a file of root's in its place, which this process can read and
// the copy's owner must not.
Result<ReadableStore> ReadableStore::make(const std::filesystem::path& from, const std::filesystem::path& folder) {
    namespace fs = std::filesystem;
    const fs::path beside = from.parent_path().empty() ? "." : from.parent_path();
    if (::access(from.c_str(), W_OK) == 0 && ::access(beside.c_str(), W_OK) == 0) return ReadableStore(from, false);
    const fs::path log = from.string() + "-wal";
    HWVAULT_TRY(const os::Fd store, os::open_regular_file(from));
    const auto store_log = os::open_regular_file(log);
    if (!store_log && store_log.error().code != ErrorCode::kNotFound) return store_log.error();
    if (store_log && !are_of_one_owner(store, *store_log)) {
        return invalid_argument(from.string() + " and " + log.string() + " belong to different users, so they are not one store. "
                                "Make them one user's if you know that they are.");
    }
    ReadableStore copy(folder / kCopy, true);
    HWVAULT_CHECK(os::copy_to_new_file(store, copy.file(), kCopyMode));
    if (store_log) HWVAULT_CHECK(os::copy_to_new_file(*store_log, copy.file().string() + "-wal", kCopyMode));
    return copy;
}

void ReadableStore::remove_left(const std::filesystem::path& folder) {
    std::error_code ignored;
    for (const char* const part : {"", "-wal", "-shm"}) std::filesystem::remove(folder / (std::string(kCopy) + part), ignored);
}

ReadableStore::~ReadableStore() {
    if (is_copy_) remove_left(file_.parent_path());
}

Result<LostVault> read_lost_vault(const RecoveryFiles& files, const std::filesystem::path& state) {
    if (!std::filesystem::is_regular_file(files.from)) {
        return Error{ErrorCode::kNotFound, "There is no file " + files.from.string() + ", as --from names it."};
    }
    HWVAULT_TRY(Bytes signing, read_signing_key(files.signing_key));
    HWVAULT_TRY(crypto::RecoveryKey recovery, read_recovery_key(files));
    HWVAULT_TRY(ReadableStore store, ReadableStore::make(files.from, state));
    service::RecoveryOrder order{.from = store.file(),
                                 .keys = {.recovery = std::move(recovery), .signing = std::move(signing)},
                                 .revoke_all = false,
                                 .event = {}};
    return LostVault{std::move(order), std::move(store)};
}

std::string report(const service::Accepted& accepted) {
    return "The store is the latest one from now on, as epoch " + std::to_string(accepted.epoch) +
           ". Every token that it had issued is revoked, since any of them may have been since. This is on the audit trail.\n" +
           warning_of(accepted.device_told);
}

std::string report(const service::Recovered& recovered, const std::string& administered_by) {
    std::string text = "Recovered to epoch " + std::to_string(recovered.checkpoint.epoch) + ", which is how checkpoint " +
                       std::to_string(recovered.checkpoint.sequence) + " of the lost device has it.\n";
    text += counted(recovered.strings, "token has the string that it had", "tokens have the strings that they had");
    if (recovered.replaced > 0) {
        text += counted(recovered.replaced, "token has a new string, its old one is dead",
                        "tokens have new strings, their old ones are dead");
    }
    text += counted(recovered.without_string, "token was never given out, or is revoked",
                    "tokens were never given out, or are revoked");
    for (const service::LeftOut& one : recovered.left_out) text += "  not as it was: " + one.token + " " + one.why + "\n";
    if (!recovered.in_escrow) {
        text += "This vault has no recovery of its own: name a [recovery] recipient and run `" + administered_by + " recover "
                "--new-recipient`.\n";
    }
    if (recovered.replaced == 0) {
        text += "Revocations that are not in this copy of the store are not in it. If that may be, or if strings may have leaked, move the "
                "new store away and recover once more with --revoke-all.\n";
    }
    if (recovered.clock_is_behind) {
        text += "This machine's clock is behind what the lost device signed, so the vault's time goes on from there. Set it.\n";
    }
    return text + warning_of(recovered.device_told);
}

std::string report(const service::NewRecipient& changed) {
    if (!changed.fingerprint) return "The vault has no recovery any more. This is on the audit trail.\n";
    return std::to_string(changed.strings) + (changed.strings == 1 ? " string is" : " strings are") + " in escrow for the key whose fingerprint is " +
           hex_of(*changed.fingerprint) + ". This is on the audit trail. Older copies of the store still open with the key of before.\n";
}

std::string_view keep_this() {
    return "This device's signing key, which is not secret. Keep it on another machine, and not that of a device before: `hwvault "
           "audit verify` needs it, and so does recovery.";
}

}  // namespace hwvault
