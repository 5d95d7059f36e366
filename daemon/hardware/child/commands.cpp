// SPDX-License-Identifier: LGPL-2.1-or-later
#include "daemon/hardware/child/commands.h"

#include <cstdlib>
#include <memory>
#include <system_error>
#include <utility>

#include "daemon/hardware/child/config.h"
#include "daemon/hardware/child/pin.h"
#include "daemon/hardware/child/pin_gate.h"
#include "daemon/hardware/child/server.h"
#include "daemon/hardware/child/sockets.h"
#include "daemon/hardware/pkcs11/pkcs11.h"
#include "os/file.h"

namespace hwvault::hardware::child {
namespace {

constexpr unsigned kStateMode = 0700;

Result<SecretBytes> read_pin(const Access& access, const HardwareConfig& config) {
    if (!access.pin_file.empty()) return read_pin_file(access.pin_file);
    if (!config.pin_credential.empty()) return read_pin_credential(config.pin_credential);
    return Error{ErrorCode::kInvalidArgument,
                 "There is no PIN: name its file by --pin-file, or a systemd credential by [hardware] pin_credential in " +
                     access.config.string() + "."};
}

Result<void> prepare_state(const std::filesystem::path& state) {
    HWVAULT_CHECK(os::make_folder(state, kStateMode));
    std::error_code failure;
    const auto mode = std::filesystem::status(state, failure).permissions();
    constexpr auto kOthers = std::filesystem::perms::group_all | std::filesystem::perms::others_all;
    if (failure || (mode & kOthers) != std::filesystem::perms::none) {
        return Error{ErrorCode::kInvalidArgument,
                     "Others can enter " + state.string() + ", the hardware child's state folder: run `chmod 0700` on it."};
    }
    return {};
}

// The backend did not try the PIN, since it saw that it must not, or the device gave no reason.
bool proves_nothing(const Error& error) {
    return error.message.starts_with(kNoLoginTried) || error.message.starts_with(kRejectionUnknown);
}

// The configured token behind the gate of its PIN.
class ConfiguredToken {
public:
    static Result<std::unique_ptr<ConfiguredToken>> prepare(const Access& access) {
        HWVAULT_TRY(HardwareConfig config, read_config(access.config));
        HWVAULT_CHECK(prepare_state(access.state));
        return std::make_unique<ConfiguredToken>(access, std::move(config));
    }

    ConfiguredToken(const Access& access, HardwareConfig config)
        : config_{config.module, config.serial},
          gate_(
              access.state, config.serial, [access, config] { return read_pin(access, config); }, proves_nothing) {}

    Result<std::unique_ptr<Device>> open() {
        return gate_.with_pin([this](const SecretBytes& pin) { return pkcs11::open(config_, pin); });
    }
    Result<Description> initialise() {
        return gate_.with_pin([this](const SecretBytes& pin) { return pkcs11::initialise(config_, pin); });
    }
    void withdraw_pin(const Error& why) { gate_.withdraw(why); }

private:
    pkcs11::Config config_;
    PinGate gate_;
};

// The connection when there is one, else the listening socket.
struct Endpoint {
    os::Fd connection;
    os::Fd listener;
};

Result<Endpoint> open_door(const Door& door) {
    Endpoint endpoint;
    if (door.fd >= 0) {
        HWVAULT_TRY(endpoint.connection, inherited_connection(door.fd));
        return endpoint;
    }
    if (!door.accept_uid) {
        return Error{ErrorCode::kInvalidArgument, "Say by --accept-uid which user hwvaultd runs as."};
    }
    HWVAULT_TRY(endpoint.listener, door.listen.empty() ? activated_listener() : make_listener(door.listen));
    return endpoint;
}

}  // namespace

Result<void> serve(const Access& access, const Door& door, const Log& log) {
    HWVAULT_TRY(const std::unique_ptr<ConfiguredToken> token, ConfiguredToken::prepare(access));
    HWVAULT_TRY(Endpoint endpoint, open_door(door));
    Server server({.state = access.state,
                   .open = [&token] { return token->open(); },
                   .locked = [&token](const Error& why) { token->withdraw_pin(why); },
                   .log = log});
    if (endpoint.listener) return server.listen(std::move(endpoint.listener), *door.accept_uid);
    server.serve(std::move(endpoint.connection));
    // The daemon is gone. A module that hangs must not keep this process: nothing is waited for.
    std::_Exit(EXIT_SUCCESS);
}

Result<Description> init(const Access& access) {
    HWVAULT_TRY(const std::unique_ptr<ConfiguredToken> token, ConfiguredToken::prepare(access));
    return token->initialise();
}

Result<std::string> create_token(const NewToken& token) {
    HWVAULT_CHECK(make_pin_file(token.pin_file));
    HWVAULT_CHECK(make_pin_file(token.so_pin_file));
    HWVAULT_TRY(const SecretBytes pin, read_pin_file(token.pin_file));
    HWVAULT_TRY(const SecretBytes so_pin, read_pin_file(token.so_pin_file));
    return pkcs11::create_token(token.module, token.label, pin, so_pin);
}

}  // namespace hwvault::hardware::child
