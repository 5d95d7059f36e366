// SPDX-License-Identifier: LGPL-2.1-or-later
#include "daemon/hardware/pkcs11/token.h"

#include <chrono>
#include <thread>
#include <vector>

#include "daemon/hardware/pkcs11/rv.h"

namespace hwvault::hardware::pkcs11 {
namespace {

constexpr int kLooks = 3;
constexpr auto kBetweenLooks = std::chrono::milliseconds(50);

// What the module has, for whoever mistyped the serial. Serials and labels are printed on the devices: no secret.
std::string present(const Slots& slots) {
    std::string list;
    for (const PKCS11_SLOT& slot : slots) {
        if (slot.token == nullptr || !slot.token->initialized) continue;
        list += (list.empty() ? "" : ", ") + token_name(slot.token->label, slot.token->serialnr);
    }
    return list.empty() ? "no initialised token" : list;
}

Result<PKCS11_SLOT*> slot_with(const Slots& slots, const Config& config) {
    std::vector<PKCS11_SLOT*> matches;
    for (PKCS11_SLOT& slot : slots) {
        if (slot.token != nullptr && slot.token->initialized && slot.token->serialnr == config.serial) {
            matches.push_back(&slot);
        }
    }
    if (matches.empty()) {
        return Error{ErrorCode::kHardwareUnavailable,
                     "No token with the serial \"" + config.serial + "\" (`[hardware] serial`): the module " +
                         config.module.string() + " has " + present(slots) +
                         ". Plug the right one in; hwvault takes no other."};
    }
    if (matches.size() > 1) {
        return Error{ErrorCode::kHardwareUnavailable, "More than one token has the serial \"" + config.serial +
                                                          "\" (`[hardware] serial`): " + present(slots) +
                                                          ". Unplug or remove all but one."};
    }
    return matches.front();
}

}  // namespace

std::string token_name(std::string_view label, std::string_view serial) {
    return '"' + std::string(label) + "\" (serial " + std::string(serial) + ")";
}

Token::Token(Module module, Slots slots, PKCS11_SLOT* slot)
    : module_(std::move(module)),
      slots_(std::move(slots)),
      slot_(slot),
      name_(token_name(slot->token->label, slot->token->serialnr)) {}

// SoftHSM2 empties a token's file and writes it anew, at each login too: whoever looks in between sees no such token, and goes on
// not seeing it until the module is loaded again.
Result<std::unique_ptr<Token>> Token::find(const Config& config) {
    for (int looks = 1;; ++looks) {
        auto found = look_for(config);
        if (found || found.error().code != ErrorCode::kHardwareUnavailable || looks == kLooks) return found;
        std::this_thread::sleep_for(kBetweenLooks);
    }
}

Result<std::unique_ptr<Token>> Token::look_for(const Config& config) {
    HWVAULT_TRY(Module module, Module::load(config.module));
    Slots slots(module.context());
    if (!slots.enumerate()) return libp11_error("C_GetSlotList", "of " + config.module.string());
    HWVAULT_TRY(PKCS11_SLOT* const slot, slot_with(slots, config));
    // Sets libp11's sessions to read-only. It closes every session of the slot, so it comes before any is opened;
    // a login left by somebody else in this process ends with them.
    if (PKCS11_open_session(slot, 0) != 0) return libp11_error("C_CloseAllSessions", "\"" + config.serial + "\"");
    return std::unique_ptr<Token>(new Token(std::move(module), std::move(slots), slot));
}

Result<CK_TOKEN_INFO> Token::info() const {
    CK_TOKEN_INFO info{};
    HWVAULT_CHECK(check_rv("C_GetTokenInfo", functions().C_GetTokenInfo(slot(), &info), name_));
    return info;
}

}  // namespace hwvault::hardware::pkcs11
