// SPDX-License-Identifier: LGPL-2.1-or-later
//
// A recovery key pair in two files of a folder of its own, and what opens with it.
#pragma once

#include <cstdio>
#include <filesystem>
#include <memory>
#include <string>

#include <openssl/pem.h>

#include "crypto/cms.h"
#include "crypto/handles.h"
#include "daemon/store/salvage.h"
#include "os/file.h"
#include "tests/service/harness.h"

namespace hwvault::service {

inline SecretBytes secret(std::string_view text) {
    return SecretBytes::copy_of(bytes_of(text));
}

class RecoveryKeys {
public:
    RecoveryKeys() : pair_(EVP_EC_gen("P-256")) {
        write(recipient_file(), [&](std::FILE* file) { return PEM_write_PUBKEY(file, pair_.get()); });
        write(key_file(), [&](std::FILE* file) {
            return PEM_write_PrivateKey(file, pair_.get(), nullptr, nullptr, 0, nullptr, nullptr);
        });
    }

    [[nodiscard]] std::filesystem::path recipient_file() const { return folder_.path() / "recipient.pem"; }
    [[nodiscard]] std::filesystem::path key_file() const { return folder_.path() / "recovery.key"; }
    [[nodiscard]] crypto::RecoveryKey key() const {
        const auto nobody = [] { return Result<SecretBytes>(invalid_argument("no passphrase")); };
        const auto pem = os::read_file(key_file(), crypto::kMaxKeyFileSize).value();
        return crypto::RecoveryKey::parse(SecretBytes::copy_of(pem), nobody).value();
    }

private:
    template <class Write>
    static void write(const std::filesystem::path& path, Write work) {
        const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen(path.c_str(), "w"), std::fclose);
        if (file == nullptr || work(file.get()) != 1) throw std::runtime_error("a recovery key");
    }

    TemporaryFolder folder_;
    crypto::Pkey pair_;
};

}  // namespace hwvault::service
