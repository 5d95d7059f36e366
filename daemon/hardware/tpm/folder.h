// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What lies on the disk for a TPM: a folder of mode 0700 with
//
//     root.pub root.priv signing.pub signing.priv   the keys' blobs, as tpm2-tools have them
//     pinned                                        the names that the TPM must show again
//     authorization                                 authorizations.h; 0600
//
// Complete or not there: setup fills a folder beside it and renames that. docs/formats/tpm.md has the bytes.
#pragma once

#include <filesystem>

#include "daemon/hardware/tpm/authorizations.h"
#include "daemon/hardware/tpm/counter.h"

namespace hwvault::hardware::tpm {

struct Pinned {
    Bytes primary;      // name of the storage primary
    Bytes endorsement;  // name of the endorsement key; empty when it could not be asked for
    CounterIdentity counter;
};

class Folder {
public:
    explicit Folder(std::filesystem::path path) : path_(std::move(path)) {}

    [[nodiscard]] bool exists() const;
    [[nodiscard]] std::string file(std::string_view name) const { return (path_ / name).string(); }

    // kNotInitialised when there is no folder; kHardwareUnavailable, naming the file, for one that is damaged.
    [[nodiscard]] Result<Pinned> pinned() const;
    [[nodiscard]] Result<Blob> key(std::string_view name) const;  // "root", "signing"
    [[nodiscard]] Result<AuthorizationFile> authorization() const;

    // Each is durable on return.
    Result<void> create() const;
    Result<void> write(const Pinned& pinned) const;
    Result<void> write(const std::string& name, const Blob& blob) const;
    Result<void> write(const AuthorizationFile& file) const;
    // Puts this folder in the place of `target`, which is not there.
    Result<void> move_to(const Folder& target) const;
    Result<void> remove() const;

private:
    [[nodiscard]] Result<Bytes> read(std::string_view name) const;

    std::filesystem::path path_;
};

}  // namespace hwvault::hardware::tpm
