// SPDX-License-Identifier: LGPL-2.1-or-later
#include "tests/contract/pkcs11_backend.h"

#include <cstdlib>
#include <fstream>
#include <stdexcept>

#include "daemon/hardware/pkcs11/token.h"
#include "tests/contract/raw_token.h"

namespace hwvault::hardware::testing {
namespace {

std::filesystem::path first_existing(std::initializer_list<const char*> candidates) {
    for (const char* candidate : candidates) {
        if (std::filesystem::exists(candidate)) return candidate;
    }
    skip("none of the modules is installed, such as " + std::string(*candidates.begin()));
}

class SoftHsmBackend final : public Pkcs11Backend {
public:
    SoftHsmBackend()
        : Pkcs11Backend(first_existing({"/usr/lib/softhsm/libsofthsm2.so",
                                        "/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so"})) {
        const auto tokens = folder_ / "tokens";
        const auto configuration = folder_ / "softhsm2.conf";
        std::filesystem::create_directory(tokens);
        std::ofstream(configuration) << "directories.tokendir = " << tokens.string()
                                     << "\nobjectstore.backend = file\nlog.level = ERROR\n";
        ::setenv("SOFTHSM2_CONF", configuration.c_str(), 1);
    }

    void make_blank_token() override {
        const auto so_pin = SecretBytes::copy_of(bytes_of("contract-so-pin-1"));
        config_.serial = pkcs11::create_token(config_.module, "contract", pin(), so_pin).value();
        require_simulated();
    }
    bool make_token_without_root() override { return false; }
    [[nodiscard]] bool counts_wrong_pins() const override { return true; }
    [[nodiscard]] bool makes_secret_keys() const override { return true; }
};

class Tpm2Pkcs11Backend final : public Pkcs11Backend {
public:
    Tpm2Pkcs11Backend()
        : Pkcs11Backend(first_existing({"/usr/lib/x86_64-linux-gnu/pkcs11/libtpm2_pkcs11.so",
                                        "/usr/lib/x86_64-linux-gnu/libtpm2_pkcs11.so.1"})) {
        config_.serial = "0000000000000000";  // of every tpm2-pkcs11 token
        const char* command = std::getenv("HWVAULT_MAKE_TPM2_TOKEN");
        if (command == nullptr) skip("tpm2-pkcs11 needs a TPM: run this through tests/contract/with-swtpm");
        command_ = command;
    }

    void make_blank_token() override { make_token("with-root"); }
    bool make_token_without_root() override {
        make_token("without-root");
        return true;
    }
    [[nodiscard]] int rounds() const override { return 4; }
    [[nodiscard]] bool counts_wrong_pins() const override { return false; }
    [[nodiscard]] bool makes_secret_keys() const override { return false; }

private:
    // Each token has a store of its own: they all have the same serial.
    void make_token(const std::string& root) {
        const auto store = folder_ / ("store-" + std::to_string(++stores_));
        std::filesystem::create_directory(store);
        ::setenv("TPM2_PKCS11_STORE", store.c_str(), 1);
        const std::string pin_text(text_of(pin().reveal()));
        const std::string line = command_ + " " + store.string() + " " + pin_text + " " + root;
        if (std::system(line.c_str()) != 0) throw std::runtime_error("failed: " + line);
        require_simulated();
    }

    std::string command_;
    int stores_{0};
};

}  // namespace

Pkcs11Backend::Pkcs11Backend(std::filesystem::path module) {
    config_.module = std::move(module);
    std::string pattern = (std::filesystem::temp_directory_path() / "hwvault-contract-XXXXXX").string();
    if (::mkdtemp(pattern.data()) == nullptr) throw std::runtime_error("mkdtemp " + pattern);
    folder_ = pattern;
}

Pkcs11Backend::~Pkcs11Backend() {
    std::error_code ignored;
    std::filesystem::remove_all(folder_, ignored);
}

void Pkcs11Backend::require_simulated() const {
    const CK_TOKEN_INFO info = RawToken(config_.module, config_.serial).info();
    const std::string manufacturer = pkcs11::text_of_field(info.manufacturerID);
    const std::string model = pkcs11::text_of_field(info.model);
    if (!is_simulated(manufacturer, model)) {
        throw std::runtime_error("refused: " + manufacturer + " " + model + " is not known to be simulated");
    }
}

std::unique_ptr<Backend> make_pkcs11_backend(const std::string& kind) {
    if (kind == "softhsm") return std::make_unique<SoftHsmBackend>();
    if (kind == "tpm2_pkcs11") return std::make_unique<Tpm2Pkcs11Backend>();
    throw std::runtime_error("HWVAULT_CONTRACT is " + kind + ", which is no backend");
}

Pkcs11Backend& pkcs11_backend() {
    return dynamic_cast<Pkcs11Backend&>(backend());
}

}  // namespace hwvault::hardware::testing
