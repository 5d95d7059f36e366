// SPDX-License-Identifier: LGPL-2.1-or-later
#include "daemon/development.h"

#include <array>
#include <cstdlib>
#include <string>
#include <system_error>

#include "os/file.h"
#include "os/run.h"

namespace hwvault {
namespace {

using std::filesystem::path;

// Debian's place first, then Fedora's and Arch's.
constexpr std::array kModules{"/usr/lib/softhsm/libsofthsm2.so", "/usr/lib64/pkcs11/libsofthsm2.so",
                              "/usr/lib/pkcs11/libsofthsm2.so"};

Result<path> softhsm_module() {
    for (const char* const candidate : kModules) {
        std::error_code ignored;
        if (std::filesystem::exists(candidate, ignored)) return path(candidate);
    }
    return Error{ErrorCode::kHardwareUnavailable, "SoftHSM2 is not installed. Run `apt install softhsm2`."};
}

Result<void> make_folders(const path& folder) {
    HWVAULT_CHECK(os::make_folder(folder, 0755));
    HWVAULT_CHECK(os::make_folder(folder / "run", 0755));
    for (const char* const secret : {"state", "hardware", "tokens"}) {
        HWVAULT_CHECK(os::make_folder(folder / secret, 0700));
    }
    return {};
}

Result<void> write_text(const path& file, const std::string& text) {
    return os::write_file_durably(file, bytes_of(text), 0644);
}

bool is_there(const path& file) {
    std::error_code ignored;
    return std::filesystem::exists(file, ignored);
}

Result<void> write_configuration(const path& folder, const path& module, const std::string& serial) {
    return write_text(folder / "hwvault.toml", "[vault]\nstate = '" + (folder / "state").string() +
                                                   "'\n\n[doors]\nsocket = '" +
                                                   (folder / "run/org.hwvault.Vault").string() +
                                                   "'\n\n[hardware]\nkind = 'pkcs11'\nmodule = '" + module.string() +
                                                   "'\nserial = '" + serial + "'\n");
}

}  // namespace

Result<Development> prepare_development(const path& given, const path& program) {
    const path folder = std::filesystem::absolute(given).lexically_normal();
    HWVAULT_TRY(const path module, softhsm_module());
    HWVAULT_CHECK(make_folders(folder));
    const path configuration = folder / "hwvault.toml";
    const path pin = folder / "hardware/pin";
    const std::vector<std::string> environment{"SOFTHSM2_CONF=" + (folder / "softhsm2.conf").string()};
    const auto arguments = [&](const std::string& verb) {
        return std::vector<std::string>{verb,         "--config",  configuration.string(),
                                        "--pin-file", pin.string(), "--state",
                                        (folder / "hardware").string()};
    };
    if (!is_there(folder / "softhsm2.conf")) {
        HWVAULT_CHECK(write_text(folder / "softhsm2.conf", "directories.tokendir = " + (folder / "tokens").string() +
                                                               "\nobjectstore.backend = file\nlog.level = ERROR\n"));
    }
    if (!is_there(configuration)) {
        HWVAULT_TRY(std::string serial,
                    os::run({program,
                             {"create-token", "--module", module.string(), "--label", "hwvault-dev", "--pin-file",
                              pin.string(), "--so-pin-file", (folder / "hardware/so-pin").string()},
                             environment}));
        while (!serial.empty() && serial.back() == '\n') serial.pop_back();
        HWVAULT_CHECK(write_configuration(folder, module, serial));
    }
    HWVAULT_TRY(Settings settings, read_settings(configuration));
    settings.dbus = std::getenv("DBUS_SYSTEM_BUS_ADDRESS") != nullptr;
    if (!is_there(settings.store_file())) {
        HWVAULT_TRY([[maybe_unused]] const auto printed, os::run({program, arguments("init"), environment}));
    }
    return Development{std::move(settings), {program, arguments("serve"), environment}};
}

}  // namespace hwvault
