// SPDX-License-Identifier: LGPL-2.1-or-later
#include "daemon/hardware/tpm/folder.h"

#include <algorithm>
#include <system_error>

#include "foundation/fields.h"
#include "os/file.h"

namespace hwvault::hardware::tpm {
namespace {

constexpr std::string_view kPinnedMark = "hwvault/tpm-pinned/1";
constexpr std::size_t kMaxFileSize = 16 * 1024;
constexpr unsigned kFolderMode = 0700;
constexpr unsigned kFileMode = 0600;

Error not_initialised(const std::filesystem::path& folder) {
    return {ErrorCode::kNotInitialised, "There are no keys for the TPM in " + folder.string() + ": run `hwvault init`; or `hwvault recover --from` if a vault is to be recovered (by hand, `hwvault-hardware init` before it)."};
}

Error unreadable(const std::string& file, const std::string& why) {
    return hardware_unavailable(file + " cannot be used: " + why + " Put it back from a backup.");
}

}  // namespace

bool Folder::exists() const {
    std::error_code ignored;
    return std::filesystem::exists(path_, ignored);
}

Result<Bytes> Folder::read(std::string_view name) const {
    if (!exists()) return not_initialised(path_);
    auto content = os::read_file(path_ / name, kMaxFileSize);
    if (!content) return unreadable(file(name), content.error().message);
    return content;
}

Result<Pinned> Folder::pinned() const {
    HWVAULT_TRY(const Bytes content, read("pinned"));
    const std::size_t size = content.size() - std::min(content.size(), crypto::kDigestSize);
    const BytesView fields = BytesView(content).first(size);
    FieldReader reader(fields);
    const auto mark = reader.text();
    const auto primary = reader.bytes();
    const auto endorsement = reader.bytes();
    const auto index = reader.number();
    const auto name = reader.bytes();
    const bool whole = equal_in_constant_time(crypto::sha256(fields), BytesView(content).subspan(size));
    if (!whole || mark != kPinnedMark || !primary || !endorsement || !index || !name || !reader.finished()) {
        return unreadable(file("pinned"), "It is damaged, or only a part of what it was.");
    }
    return Pinned{{primary->begin(), primary->end()},
                  {endorsement->begin(), endorsement->end()},
                  {static_cast<TPM2_HANDLE>(*index), {name->begin(), name->end()}}};
}

Result<Blob> Folder::key(std::string_view name) const {
    Blob blob;
    HWVAULT_TRY(blob.public_area, read(std::string(name) + ".pub"));
    HWVAULT_TRY(blob.private_area, read(std::string(name) + ".priv"));
    return blob;
}

Result<AuthorizationFile> Folder::authorization() const {
    if (!exists()) return not_initialised(path_);
    const auto content = os::read_secret_file(path_ / "authorization", kMaxFileSize);
    if (!content) return unreadable(file("authorization"), content.error().message);
    auto decoded = decode_authorizations(*content);
    if (!decoded) return unreadable(file("authorization"), "It is damaged, or only a part of what it was.");
    return *std::move(decoded);
}

Result<void> Folder::create() const {
    return os::make_folder(path_, kFolderMode);
}

Result<void> Folder::write(const Pinned& pinned) const {
    Bytes content = FieldWriter()
                        .text(kPinnedMark)
                        .bytes(pinned.primary)
                        .bytes(pinned.endorsement)
                        .number(pinned.counter.index)
                        .bytes(pinned.counter.name)
                        .take();
    const crypto::Digest digest = crypto::sha256(content);
    content.insert(content.end(), digest.begin(), digest.end());
    return os::write_file_durably(path_ / "pinned", content, kFileMode);
}

Result<void> Folder::write(const std::string& name, const Blob& blob) const {
    HWVAULT_CHECK(os::write_file_durably(path_ / (name + ".pub"), blob.public_area, kFileMode));
    return os::write_file_durably(path_ / (name + ".priv"), blob.private_area, kFileMode);
}

Result<void> Folder::write(const AuthorizationFile& authorization) const {
    return os::write_file_durably(path_ / "authorization", encode(authorization).reveal(), kFileMode);
}

Result<void> Folder::move_to(const Folder& target) const {
    std::error_code failure;
    std::filesystem::rename(path_, target.path_, failure);
    if (failure) return Error{ErrorCode::kInternal, "rename " + path_.string() + ": " + failure.message()};
    return os::sync_folder(target.path_.parent_path());
}

Result<void> Folder::remove() const {
    std::error_code failure;
    std::filesystem::remove_all(path_, failure);
    if (failure) return Error{ErrorCode::kInternal, "removing " + path_.string() + ": " + failure.message()};
    return {};
}

}  // namespace hwvault::hardware::tpm
