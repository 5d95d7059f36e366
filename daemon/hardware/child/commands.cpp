// SPDX-License-Identifier: LGPL-2.1-or-later
#include "daemon/hardware/child/commands.h"

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cstdlib>
#include <functional>
#include <memory>
#include <optional>
#include <system_error>
#include <thread>
#include <utility>
#include <variant>

#include "daemon/hardware/child/config.h"
#include "daemon/hardware/child/pin.h"
#include "daemon/hardware/child/pin_gate.h"
#include "daemon/hardware/child/server.h"
#include "daemon/hardware/child/sockets.h"
#include "daemon/hardware/pkcs11/pkcs11.h"
#include "daemon/hardware/tpm/tpm.h"
#include "foundation/hex.h"
#include "os/fd.h"
#include "os/file.h"

namespace hwvault::hardware::child {
namespace {

constexpr unsigned kStateMode = 0700;
constexpr std::chrono::milliseconds kLastCalls{2'000};  // for the calls under way when the daemon goes

// Held as long as a process serves the device. Two that log in at once break each other's view of a token's files (SoftHSM2).
Result<os::Fd> lock_device(const std::filesystem::path& state) {
    auto lock = os::lock_folder(state);
    if (lock || lock.error().code != ErrorCode::kBusy) return lock;
    return hardware_unavailable("Another hwvault-hardware still serves the device of " + state.string() +
                                ": it is opened when that one has ended.");
}

// A module that hangs must not keep a process that nobody needs any more.
void end_within(std::chrono::milliseconds patience) {
    std::thread([patience] {
        std::this_thread::sleep_for(patience);
        std::_Exit(EXIT_SUCCESS);
    }).detach();
}

bool has_pin(const Access& access, const HardwareConfig& config) {
    return !access.pin_file.empty() || !config.pin_credential.empty();
}

// Nothing for no file.
Result<std::shared_ptr<const SecretBytes>> pin_in(const std::filesystem::path& file) {
    if (file.empty()) return std::shared_ptr<const SecretBytes>();
    HWVAULT_TRY(SecretBytes pin, read_pin_file(file));
    return std::make_shared<const SecretBytes>(std::move(pin));
}

Result<SecretBytes> read_pin(const Access& access, const HardwareConfig& config) {
    if (access.pin) return SecretBytes::copy_of(access.pin->reveal());
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

std::optional<crypto::Digest> digest_of_hex(std::string_view text) {
    crypto::Digest digest{};
    return bytes_of_hex(text, digest) ? std::optional(digest) : std::nullopt;
}

// "7=HEX": one of the PCRs that the configuration binds to, and its SHA-256 value to come.
Result<tpm::PcrValues> read_expected(const std::vector<std::string>& texts, const std::vector<unsigned>& pcrs) {
    tpm::PcrValues values;
    for (const std::string& text : texts) {
        const std::size_t sign = text.find('=');
        unsigned pcr = 0;
        const auto read = std::from_chars(text.data(), text.data() + std::min(sign, text.size()), pcr);
        const bool number = sign != std::string::npos && read.ec == std::errc() && read.ptr == text.data() + sign;
        const auto value = number ? digest_of_hex(std::string_view(text).substr(sign + 1)) : std::nullopt;
        if (!value) {
            return invalid_argument("--expect " + text + ": write it as PCR=VALUE, with a PCR of `[hardware] pcrs` and its "
                                    "SHA-256 value in 64 hexadecimal digits.");
        }
        if (std::find(pcrs.begin(), pcrs.end(), pcr) == pcrs.end()) {
            return invalid_argument("--expect " + text + ": PCR " + std::to_string(pcr) + " is not in `[hardware] pcrs`.");
        }
        values[pcr] = *value;
    }
    return values;
}

bool names_current_pin(const Reseal& how) {
    return !how.current_pin_file.empty() || !how.current_pin_credential.empty();
}

// The PIN until now.
Result<SecretBytes> read_current_pin(const Access& access, const HardwareConfig& config, const Reseal& how) {
    if (how.current_pin) return SecretBytes::copy_of(how.current_pin->reveal());
    if (!how.current_pin_file.empty()) return read_pin_file(how.current_pin_file);
    if (!how.current_pin_credential.empty()) return read_pin_credential(how.current_pin_credential);
    return read_pin(access, config);
}

// What a backend does with a PIN; an empty one where none is needed.
struct Backend {
    std::string name;  // of the device, in the record of a rejected PIN
    std::function<Result<bool>()> needs_pin;
    std::function<Result<std::unique_ptr<Device>>(const SecretBytes&)> open;
    std::function<Result<Description>(const SecretBytes&)> initialise;
};

tpm::Config tpm_config(const Access& access, const TpmConfig& config) {
    return {config.tcti, access.state / "tpm", config.pcrs};
}

Backend make_backend(const Access&, const Pkcs11Config& config) {
    const pkcs11::Config token{config.module, config.serial};
    return {.name = config.serial,
            .needs_pin = []() -> Result<bool> { return true; },
            .open = [token](const SecretBytes& pin) { return pkcs11::open(token, pin); },
            .initialise = [token](const SecretBytes& pin) { return pkcs11::initialise(token, pin); }};
}

Backend make_backend(const Access& access, const TpmConfig& config) {
    const tpm::Config chip = tpm_config(access, config);
    return {.name = "TPM",
            .needs_pin = [chip] { return tpm::needs_pin(chip.folder); },
            .open = [chip](const SecretBytes& pin) { return tpm::open(chip, pin); },
            .initialise = [chip](const SecretBytes& pin) { return tpm::initialise(chip, pin); }};
}

// The configured device, behind the gate of its PIN if it has one.
class ConfiguredDevice {
public:
    static Result<std::unique_ptr<ConfiguredDevice>> prepare(const Access& access) {
        HWVAULT_TRY(HardwareConfig config, read_config(access.config));
        HWVAULT_CHECK(prepare_state(access.state));
        return std::make_unique<ConfiguredDevice>(access, std::move(config));
    }

    ConfiguredDevice(const Access& access, HardwareConfig config)
        : backend_(std::visit([&](const auto& device) { return make_backend(access, device); }, config.device)),
          has_pin_(has_pin(access, config)),
          state_(access.state),
          gate_(
              access.state, backend_.name, [access, config] { return read_pin(access, config); }, proves_nothing) {}

    // For serving.
    Result<std::unique_ptr<Device>> open() {
        if (!lock_) {
            HWVAULT_TRY(lock_, lock_device(state_));
        }
        HWVAULT_TRY(const bool needed, backend_.needs_pin());
        return with_pin(needed, backend_.open);
    }
    Result<Description> initialise() {
        const auto needed = backend_.needs_pin();
        if (!needed && needed.error().code != ErrorCode::kNotInitialised) return needed.error();
        return with_pin(needed ? *needed : has_pin_, backend_.initialise);
    }
    void withdraw_pin(const Error& why) { gate_.withdraw(why); }

private:
    // A PIN that nobody asks for is not given; the device itself says so when there should be one.
    template <class Call>
    auto with_pin(bool needed, const Call& call) -> decltype(call(SecretBytes())) {
        if (!needed) return call(SecretBytes());
        return gate_.with_pin(call);
    }

    Backend backend_;
    bool has_pin_;
    std::filesystem::path state_;
    os::Fd lock_;
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

Result<void> read_pin_files(Access& access, Reseal& reseal) {
    HWVAULT_TRY(access.pin, pin_in(access.pin_file));
    HWVAULT_TRY(reseal.current_pin, pin_in(reseal.current_pin_file));
    return {};
}

Result<void> serve(const Access& access, const Door& door, const Log& log) {
    HWVAULT_TRY(Endpoint endpoint, open_door(door));
    std::unique_ptr<ConfiguredDevice> device;
    if (!endpoint.listener) {
        HWVAULT_TRY(device, ConfiguredDevice::prepare(access));
    }
    const auto open = [&]() -> Result<std::unique_ptr<Device>> {
        if (!device) {
            auto prepared = ConfiguredDevice::prepare(access);
            if (!prepared) return hardware_unavailable(prepared.error().message);
            device = std::move(*prepared);
        }
        return device->open();
    };
    const auto locked = [&](const Error& why) {
        if (device) device->withdraw_pin(why);
    };
    {
        Server server({.state = access.state, .open = open, .locked = locked, .log = log});
        if (endpoint.listener) return server.listen(std::move(endpoint.listener), *door.accept_uid);
        server.serve(std::move(endpoint.connection));
        // The daemon is gone. SoftHSM2 writes its token's file at each login and loses it if the process ends meanwhile.
        end_within(kLastCalls);
    }
    std::_Exit(EXIT_SUCCESS);  // what a module has registered for the end of a process is none of ours
}

Result<Description> init(const Access& access) {
    HWVAULT_TRY(const std::unique_ptr<ConfiguredDevice> device, ConfiguredDevice::prepare(access));
    return device->initialise();
}

Result<Description> reseal(const Access& access, const Reseal& how) {
    HWVAULT_TRY(const HardwareConfig config, read_config(access.config));
    const TpmConfig* const chosen = std::get_if<TpmConfig>(&config.device);
    if (chosen == nullptr) {
        return invalid_argument("A PKCS#11 token has no PCR policy, so there is nothing to seal anew.");
    }
    HWVAULT_CHECK(prepare_state(access.state));
    const tpm::Config chip = tpm_config(access, *chosen);
    HWVAULT_TRY(const tpm::PcrValues expected, read_expected(how.expected, chosen->pcrs));
    const bool wants_pin = has_pin(access, config) && !how.no_pin;
    HWVAULT_TRY(const SecretBytes pin, wants_pin ? read_pin(access, config) : SecretBytes());
    HWVAULT_TRY(const bool needed, tpm::needs_pin(chip.folder));
    if (needed && !wants_pin && !how.no_pin) {
        return invalid_argument("The keys need a PIN now, and none is given for later: name its file by --pin-file, or say "
                                "--no-pin to let go of it.");
    }
    const auto seal = [&](const SecretBytes& current) { return tpm::reseal(chip, current, pin, expected); };
    if (!needed) return seal(SecretBytes());
    if (!names_current_pin(how) && !has_pin(access, config)) {
        return invalid_argument("The keys are bound to a PIN: name its file by --current-pin-file.");
    }
    PinGate gate(
        access.state, "TPM",
        [&] { return read_current_pin(access, config, how); },
        proves_nothing);
    auto resealed = gate.with_pin(seal);
    if (!resealed && resealed.error().code == ErrorCode::kHardwareLocked && !names_current_pin(how)) {
        return Error{resealed.error().code, resealed.error().message +
                                                " It was taken for the PIN until now: if it is the new one, name the old "
                                                "one by --current-pin-file."};
    }
    return resealed;
}

Result<std::string> create_token(const NewToken& token) {
    HWVAULT_CHECK(make_pin_file(token.pin_file));
    HWVAULT_CHECK(make_pin_file(token.so_pin_file));
    HWVAULT_TRY(const SecretBytes pin, read_pin_file(token.pin_file));
    HWVAULT_TRY(const SecretBytes so_pin, read_pin_file(token.so_pin_file));
    return pkcs11::create_token(token.module, token.label, pin, so_pin);
}

}  // namespace hwvault::hardware::child
