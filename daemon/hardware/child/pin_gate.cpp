// SPDX-License-Identifier: LGPL-2.1-or-later
#include "daemon/hardware/child/pin_gate.h"

#include <array>
#include <system_error>
#include <utility>

#include "crypto/pin_record.h"
#include "crypto/random.h"
#include "foundation/fields.h"
#include "os/file.h"

namespace hwvault::hardware::child {
namespace {

constexpr std::string_view kPinMark = "hwvault/rejected-pin/1";
constexpr std::size_t kMaxRecordSize = 1'024;
constexpr unsigned kRecordMode = 0600;

Error locked(std::string message) {
    return {ErrorCode::kHardwareLocked, std::move(message)};
}

bool is_no_rejection(const Error& error) {
    return error.code == ErrorCode::kHardwareUnavailable || error.code == ErrorCode::kNotInitialised ||
           error.code == ErrorCode::kBusy;
}

}  // namespace

PinGate::PinGate(const std::filesystem::path& state, std::string token, ReadPin read_pin, ProvesNothing proves_nothing)
    : record_(state / "rejected-pin"),
      reserve_(state / "rejected-pin.reserve"),
      token_(std::move(token)),
      read_pin_(std::move(read_pin)),
      proves_nothing_(std::move(proves_nothing)) {}

void PinGate::withdraw(const Error& why) {
    const std::lock_guard lock(mutex_);
    // Several calls of the device end in this: the first put it on record.
    if (refusal_ && equal_in_constant_time(tried_.reveal(), refused_.reveal())) return;
    static_cast<void>(settle(SecretBytes::copy_of(tried_.reveal()), why));
}

Result<SecretBytes> PinGate::admit() {
    HWVAULT_TRY(SecretBytes pin, read_pin_());
    if (refusal_ && equal_in_constant_time(pin.reveal(), refused_.reveal())) return *refusal_;
    HWVAULT_CHECK(refuse_if_on_record(pin));
    HWVAULT_CHECK(prepare_record(pin));
    return pin;
}

Result<void> PinGate::refuse_if_on_record(const SecretBytes& pin) const {
    const auto content = os::read_file(record_, kMaxRecordSize);
    if (!content && content.error().code == ErrorCode::kNotFound) return {};
    if (!content) return locked("No PIN is tried while the record of a rejected one cannot be read: " +
                                content.error().message);
    FieldReader reader(*content);
    const auto mark = reader.text();
    const auto token = reader.text();
    const auto salt = reader.array<crypto::kPinSaltSize>();
    const auto rejected = reader.bytes();
    if (mark != kPinMark || !token || !salt || !rejected || !reader.finished()) {
        return locked("No PIN is tried: " + record_.string() + ", the record of a rejected one, is damaged. Make sure"
                      " that the PIN is right, then remove that file.");
    }
    if (*token != token_) return {};
    HWVAULT_TRY(const Bytes hash, crypto::hash_pin(pin, *salt));
    if (!equal_in_constant_time(hash, *rejected)) return {};
    return locked("Token " + token_ + " rejected this PIN before, so it is not tried again: each try may lock the token."
                  " Put the right PIN in its place; if it is right and the token was reset, remove " + record_.string() +
                  ".");
}

Result<void> PinGate::prepare_record(const SecretBytes& pin) {
    if (!prepared_record_.empty() && equal_in_constant_time(pin.reveal(), tried_.reveal())) return {};
    std::array<std::uint8_t, crypto::kPinSaltSize> salt{};
    HWVAULT_CHECK(crypto::fill_random(salt));
    HWVAULT_TRY(const Bytes hash, crypto::hash_pin(pin, salt));
    Bytes record = FieldWriter().text(kPinMark).text(token_).bytes(salt).bytes(hash).take();
    HWVAULT_CHECK(os::reserve_file(reserve_, record.size(), kRecordMode));
    tried_ = SecretBytes::copy_of(pin.reveal());
    prepared_record_ = std::move(record);
    return {};
}

std::optional<Error> PinGate::settle(const SecretBytes& pin, std::optional<Error> failure) {
    if (!failure) {
        std::error_code ignored;  // a record that stays refuses a PIN, and says which file to remove
        std::filesystem::remove(record_, ignored);
        return failure;
    }
    if (is_no_rejection(*failure)) return failure;
    if (failure->code == ErrorCode::kHardwareLocked && !proves_nothing_(*failure)) {
        const auto recorded = os::use_reserve(reserve_, record_, prepared_record_);
        if (!recorded) failure->message += " This could not be put on record: " + recorded.error().message;
    }
    refused_ = SecretBytes::copy_of(pin.reveal());
    refusal_ = failure;
    return failure;
}

}  // namespace hwvault::hardware::child
