// SPDX-License-Identifier: LGPL-2.1-or-later
#include "daemon/hardware/pkcs11/pkcs11.h"

#include <algorithm>
#include <array>

#include "daemon/hardware/pkcs11/connection.h"
#include "daemon/hardware/reconnecting_device.h"

namespace hwvault::hardware::pkcs11 {
namespace {

// Makes what is missing. The signing key comes last: a token that has it was set up to the end, so an epoch object
// that is missing then was removed, and is made again only here, where an administrator asked for it.
Result<void> make_missing(const Session& session) {
    HWVAULT_TRY(auto root, find_root_key(session));
    if (!root) {
        HWVAULT_CHECK(generate_root_key(session));
        HWVAULT_TRY(root, find_root_key(session));
    }
    if (!root) {
        return Error{ErrorCode::kHardwareUnavailable, "C_GenerateKey on token " + session.token().name() +
                                                          " reported success and left no key there."};
    }
    HWVAULT_TRY(const bool epoch_there, has_epoch(session));
    HWVAULT_TRY(const bool epoch_possible, epoch_there ? Result<bool>(true) : keeps_data_objects(session));
    if (!epoch_there && epoch_possible) {
        const EpochMac mac = [&](BytesView context) {
            return hmac(session, *root, derivation_input(Label::kEpoch, context));
        };
        HWVAULT_CHECK(make_epoch(session, 0, mac));
    }
    HWVAULT_TRY(const auto signing, find_signing_key(session));
    if (!signing) HWVAULT_CHECK(generate_signing_key(session));
    return {};
}

CK_UTF8CHAR* writable(const SecretBytes& pin) {
    return const_cast<CK_UTF8CHAR*>(pin.reveal().data());  // PKCS#11 does not write to it
}

// C_InitToken on the first slot that has a blank token; its serial.
Result<std::string> init_first_slot(const std::filesystem::path& path, const std::string& label,
                                    const SecretBytes& so_pin) {
    std::array<CK_UTF8CHAR, sizeof(CK_TOKEN_INFO::label)> padded;
    padded.fill(' ');
    std::copy(label.begin(), label.end(), padded.begin());

    HWVAULT_TRY(const Module module, Module::load(path));
    Slots slots(module.context());
    if (!slots.enumerate()) return libp11_error("C_GetSlotList", "of " + path.string());
    PKCS11_SLOT* const blank = std::find_if(slots.begin(), slots.end(), [](const PKCS11_SLOT& slot) {
        return slot.token != nullptr && !slot.token->initialized;
    });
    if (blank == slots.end()) {
        return Error{ErrorCode::kHardwareUnavailable,
                     "The module " + path.string() + " has no slot without an initialised token."};
    }
    const CK_SLOT_ID slot = PKCS11_get_slotid_from_slot(blank);
    CK_FUNCTION_LIST& functions = module.functions();
    HWVAULT_CHECK(check_rv("C_InitToken",
                           functions.C_InitToken(slot, writable(so_pin), so_pin.size(), padded.data()), label));
    CK_TOKEN_INFO info{};
    HWVAULT_CHECK(check_rv("C_GetTokenInfo", functions.C_GetTokenInfo(slot, &info), label));
    return text_of_field(info.serialNumber);
}

}  // namespace

Result<std::unique_ptr<Device>> open(const Config& config, const SecretBytes& pin) {
    return ReconnectingDevice::open([config](const SecretBytes& current) { return Connection::open(config, current); }, pin);
}

Result<Description> initialise(const Config& config, const SecretBytes& pin) {
    {
        HWVAULT_TRY(const Login login, log_in_to(config, pin, Access::kWrite));
        HWVAULT_CHECK(make_missing(login.session));
    }
    HWVAULT_TRY(const auto connection, Connection::open(config, pin));
    return try_out(*connection);
}

Result<std::string> create_token(const std::filesystem::path& module, const std::string& label, const SecretBytes& pin,
                                 const SecretBytes& so_pin) {
    if (label.empty() || label.size() > sizeof(CK_TOKEN_INFO::label)) {
        return Error{ErrorCode::kInvalidArgument, "A token's label has 1 to 32 bytes."};
    }
    HWVAULT_TRY(std::string serial, init_first_slot(module, label, so_pin));
    HWVAULT_TRY(const auto token, Token::find({module, serial}));
    HWVAULT_TRY(const Session session, Session::open(*token, Access::kWrite));
    CK_FUNCTION_LIST& functions = token->functions();
    HWVAULT_CHECK(session.check(
        "C_Login", functions.C_Login(session.handle(), CKU_SO, writable(so_pin), so_pin.size())));
    HWVAULT_CHECK(session.check("C_InitPIN", functions.C_InitPIN(session.handle(), writable(pin), pin.size())));
    return serial;
}

}  // namespace hwvault::hardware::pkcs11
