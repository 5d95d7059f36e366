// SPDX-License-Identifier: LGPL-2.1-or-later
#include "daemon/development.h"

#include <array>
#include <chrono>
#include <cstdlib>
#include <memory>
#include <system_error>
#include <utility>
#include <vector>

#include "os/file.h"
#include "os/run.h"

namespace hwvault {
namespace {

using std::filesystem::path;

constexpr unsigned kSecret = 0700;
constexpr unsigned kOpen = 0755;

// Debian's place first, then Fedora's and Arch's.
constexpr std::array kModules{"/usr/lib/softhsm/libsofthsm2.so", "/usr/lib64/pkcs11/libsofthsm2.so",
                              "/usr/lib/pkcs11/libsofthsm2.so"};

bool is_there(const path& file) {
    std::error_code ignored;
    return std::filesystem::exists(file, ignored);
}

path whole(const path& folder) {
    return std::filesystem::absolute(folder).lexically_normal();
}

path configuration_of(const path& folder) {
    return folder / "hwvault.toml";
}

path policy_of(const path& folder) {
    return folder / "policy.d";
}

path audit_of(const path& folder) {
    return folder / "log";
}

Result<void> write_text(const path& file, const std::string& text) {
    return os::write_file_durably(file, bytes_of(text), 0644);
}

// The device in a vault's folder.
class Simulation {
public:
    Simulation(path folder, path program) : folder_(std::move(folder)), program_(std::move(program)) {}
    virtual ~Simulation() = default;

    // Makes the device, if it is not there, and has it running.
    virtual Result<void> start() = 0;
    // The table [hardware] of the configuration, for a new vault.
    virtual Result<std::string> describe() = 0;
    // What the hardware child is told of it.
    [[nodiscard]] virtual std::vector<std::string> arguments() const = 0;
    [[nodiscard]] virtual std::vector<std::string> environment() const = 0;

protected:
    path folder_;
    path program_;
};

class SoftHsm final : public Simulation {
public:
    using Simulation::Simulation;

    Result<void> start() override {
        HWVAULT_TRY(module_, find_module());
        HWVAULT_CHECK(os::make_folder(folder_ / "tokens", kSecret));
        if (is_there(folder_ / "softhsm2.conf")) return {};
        return write_text(folder_ / "softhsm2.conf", "directories.tokendir = " + (folder_ / "tokens").string() +
                                                         "\nobjectstore.backend = file\nlog.level = ERROR\n");
    }
    Result<std::string> describe() override {
        HWVAULT_TRY(std::string serial,
                    os::run({program_,
                             {"create-token", "--module", module_.string(), "--label", "hwvault-dev", "--pin-file",
                              pin().string(), "--so-pin-file", (folder_ / "hardware/so-pin").string()},
                             environment()}));
        while (!serial.empty() && serial.back() == '\n') serial.pop_back();
        return "kind = 'pkcs11'\nmodule = '" + module_.string() + "'\nserial = '" + serial + "'\n";
    }
    [[nodiscard]] std::vector<std::string> arguments() const override { return {"--pin-file", pin().string()}; }
    [[nodiscard]] std::vector<std::string> environment() const override {
        return {"SOFTHSM2_CONF=" + (folder_ / "softhsm2.conf").string()};
    }

private:
    static Result<path> find_module() {
        for (const char* const candidate : kModules) {
            if (is_there(candidate)) return path(candidate);
        }
        return hardware_unavailable("SoftHSM2 is not installed. Run `apt install softhsm2`.");
    }
    [[nodiscard]] path pin() const { return folder_ / "hardware/pin"; }

    path module_;
};

class Swtpm final : public Simulation {
public:
    using Simulation::Simulation;

    Result<void> start() override {
        HWVAULT_CHECK(os::make_folder(folder_ / "swtpm", kSecret));
        // One that was killed with its daemon a moment ago is waited for: swtpm does not wait. One that is used keeps its
        // socket.
        if (!os::wait_until_unlocked(folder_ / "swtpm/.lock", kPatience)) {
            return hardware_unavailable("The simulated TPM in " + folder_.string() +
                                        " is used by another process: end the other hwvaultd first.");
        }
        std::error_code ignored;
        std::filesystem::remove(socket(), ignored);  // of a TPM that was killed
        const std::string at = "type=unixio,path=" + socket().string();
        const auto started = os::run_beside({"swtpm",
                                             {"socket", "--tpm2", "--tpmstate", "dir=" + (folder_ / "swtpm").string(),
                                              "--server", at, "--ctrl", at + ".ctrl", "--flags", "startup-clear"},
                                             {}});
        if (!started || !os::wait_for_socket(socket(), kPatience)) {
            return hardware_unavailable("The simulated TPM did not start. Run `apt install swtpm libtss2-tcti-swtpm0`.");
        }
        return {};
    }
    Result<std::string> describe() override { return "kind = 'tpm'\ntcti = 'swtpm:path=" + socket().string() + "'\n"; }
    [[nodiscard]] std::vector<std::string> arguments() const override { return {}; }
    [[nodiscard]] std::vector<std::string> environment() const override { return {}; }

private:
    static constexpr auto kPatience = std::chrono::seconds(10);
    [[nodiscard]] path socket() const { return folder_ / "swtpm/socket"; }
};

Result<void> make_folders(const path& folder) {
    HWVAULT_CHECK(os::make_folder(folder, kOpen));
    HWVAULT_CHECK(os::make_folder(folder / "run", kOpen));
    HWVAULT_CHECK(os::make_folder(folder / "state", kSecret));
    return os::make_folder(folder / "hardware", kSecret);
}

Result<void> write_configuration(const path& folder, const std::string& hardware) {
    return write_text(configuration_of(folder), "[vault]\nstate = '" + (folder / "state").string() + "'\npolicy = '" +
                                                   policy_of(folder).string() + "'\n\n[audit]\nfolder = '" +
                                                   audit_of(folder).string() + "'\n\n[doors]\nsocket = '" +
                                                   (folder / "run/org.hwvault.Vault").string() + "'\n\n[hardware]\n" +
                                                   hardware);
}

// What the folder has, or what it is to have.
Result<std::unique_ptr<Simulation>> choose(const path& folder, Simulated asked, const path& program) {
    const bool has_swtpm = is_there(folder / "swtpm");
    const bool is_new = !has_swtpm && !is_there(folder / "softhsm2.conf");
    const bool swtpm = is_new ? asked == Simulated::kSwtpm : has_swtpm;
    if (asked != Simulated::kAsBefore && swtpm != (asked == Simulated::kSwtpm)) {
        return invalid_argument("The vault in " + folder.string() + " has the other simulated device, " +
                                (swtpm ? "swtpm" : "softhsm") + ". Say that, or give --dev another folder.");
    }
    if (swtpm) return std::unique_ptr<Simulation>(new Swtpm(folder, program));
    return std::unique_ptr<Simulation>(new SoftHsm(folder, program));
}

}  // namespace

Result<Settings> development_settings(const path& given) {
    const path folder = whole(given);
    HWVAULT_TRY(Settings settings, read_settings(configuration_of(folder)));
    settings.policy = policy_of(folder);
    settings.audit = audit_of(folder);
    settings.dbus = std::getenv("DBUS_SYSTEM_BUS_ADDRESS") != nullptr;
    settings.administered_by = "hwvaultd --dev " + folder.string();
    return settings;
}

Result<Development> prepare_development(const path& given, Simulated simulated, const path& program) {
    const path folder = whole(given);
    HWVAULT_TRY(const std::unique_ptr<Simulation> device, choose(folder, simulated, program));
    HWVAULT_CHECK(make_folders(folder));
    HWVAULT_CHECK(device->start());
    const path configuration = configuration_of(folder);
    const auto arguments = [&](const std::string& verb) {
        std::vector<std::string> all{verb, "--config", configuration.string(), "--state", (folder / "hardware").string()};
        for (std::string& argument : device->arguments()) all.push_back(std::move(argument));
        return all;
    };
    if (!is_there(configuration)) {
        HWVAULT_TRY(const std::string hardware, device->describe());
        HWVAULT_CHECK(write_configuration(folder, hardware));
    }
    HWVAULT_TRY(Settings settings, development_settings(folder));
    if (!is_there(settings.store_file())) {
        std::vector<std::string> init = arguments("init");
        init.emplace_back("--dev");
        HWVAULT_TRY([[maybe_unused]] const auto printed, os::run({program, std::move(init), device->environment()}));
    }
    return Development{std::move(settings), {program, arguments("serve"), device->environment()}};
}

}  // namespace hwvault
