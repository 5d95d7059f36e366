// SPDX-License-Identifier: LGPL-2.1-or-later
#include "daemon/hardware/child/pin.h"

#include <algorithm>
#include <cstdlib>
#include <string>
#include <system_error>
#include <utility>

#include "crypto/random.h"
#include "os/file.h"

namespace hwvault::hardware::child {
namespace {

constexpr std::size_t kNewPinSize = 20;  // of 32 characters each: 100 bits
constexpr unsigned kPinFileMode = 0600;

// `source` names where it came from.
Result<SecretBytes> check_pin(SecretBytes pin, const std::string& source) {
    const auto ends_with = [&](char last) { return !pin.empty() && pin.reveal().back() == last; };
    if (ends_with('\n')) pin.shorten(pin.size() - 1);
    if (ends_with('\r')) pin.shorten(pin.size() - 1);
    const BytesView bytes = pin.reveal();
    if (bytes.empty()) return Error{ErrorCode::kInvalidArgument, source + " is empty: put the token's PIN there."};
    if (std::find(bytes.begin(), bytes.end(), 0) != bytes.end()) {
        return Error{ErrorCode::kInvalidArgument, source + " holds a zero byte, so it is no PIN."};
    }
    return pin;
}

}  // namespace

Result<SecretBytes> read_pin_file(const std::filesystem::path& file) {
    HWVAULT_TRY(SecretBytes pin, os::read_secret_file(file, kMaxPinSize));
    return check_pin(std::move(pin), "The PIN file " + file.string());
}

Result<SecretBytes> read_pin_credential(std::string_view name) {
    const std::string source = "The systemd credential " + std::string(name);
    const char* const folder = std::getenv("CREDENTIALS_DIRECTORY");
    if (folder == nullptr) {
        return Error{ErrorCode::kInvalidArgument,
                     source + " was not handed over: add LoadCredential= to the unit, or use --pin-file."};
    }
    auto pin = os::read_credential(std::filesystem::path(folder) / name, kMaxPinSize);
    if (!pin && pin.error().code == ErrorCode::kNotFound) {
        const std::string text(name);
        return Error{ErrorCode::kInvalidArgument,
                     source + " was not handed over. Make it with `systemd-creds encrypt --name=" + text + " - /etc/credstore.encrypted/" +
                         text + "`, then restart hwvault-hardware."};
    }
    if (!pin) return pin;
    return check_pin(std::move(*pin), source);
}

Result<void> make_pin_file(const std::filesystem::path& file) {
    std::error_code failure;
    if (std::filesystem::exists(file, failure)) return {};
    constexpr std::string_view kAlphabet = "abcdefghijklmnopqrstuvwxyz234567";
    SecretBytes pin(kNewPinSize);
    HWVAULT_CHECK(crypto::fill_random(pin.reveal_to_fill()));
    for (std::uint8_t& character : pin.reveal_to_fill()) {
        character = static_cast<std::uint8_t>(kAlphabet[character % kAlphabet.size()]);
    }
    return os::write_file_durably(file, pin.reveal(), kPinFileMode);
}

}  // namespace hwvault::hardware::child
