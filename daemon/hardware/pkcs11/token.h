// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The one token of the configuration, found by its serial and held open: module, slot, and how to name it to a
// person. Refuses a token with another serial, and two with the same; never takes "the first one there is".
#pragma once

#include <memory>
#include <string>

#include "daemon/hardware/pkcs11/handles.h"
#include "daemon/hardware/pkcs11/module.h"
#include "daemon/hardware/pkcs11/pkcs11.h"

namespace hwvault::hardware::pkcs11 {

class Token {
public:
    // kHardwareUnavailable when no initialised token, or more than one, has the serial; said after it was looked for some times,
    // which takes some 0.1 s.
    static Result<std::unique_ptr<Token>> find(const Config& config);

    [[nodiscard]] CK_FUNCTION_LIST& functions() const { return module_.functions(); }
    [[nodiscard]] CK_SLOT_ID slot() const { return PKCS11_get_slotid_from_slot(slot_); }
    [[nodiscard]] PKCS11_SLOT* p11_slot() const { return slot_; }
    [[nodiscard]] const PKCS11_TOKEN& p11_token() const { return *slot_->token; }
    [[nodiscard]] const std::string& name() const { return name_; }  // `"vault" (serial 1234)`
    [[nodiscard]] std::string serial() const { return slot_->token->serialnr; }
    [[nodiscard]] const std::filesystem::path& module_path() const { return module_.path(); }

    // Asked of the device each time: PIN flags and session counts change.
    [[nodiscard]] Result<CK_TOKEN_INFO> info() const;

private:
    static Result<std::unique_ptr<Token>> look_for(const Config& config);
    Token(Module module, Slots slots, PKCS11_SLOT* slot);

    Module module_;
    Slots slots_;
    PKCS11_SLOT* slot_;
    std::string name_;
};

// A field of fixed width, padded with blanks, as PKCS#11 has them.
template <std::size_t N>
std::string text_of_field(const unsigned char (&field)[N]) {
    std::string text(reinterpret_cast<const char*>(field), N);
    text.erase(text.find_last_not_of(std::string_view("\0 ", 2)) + 1);
    return text;
}

std::string token_name(std::string_view label, std::string_view serial);

}  // namespace hwvault::hardware::pkcs11
