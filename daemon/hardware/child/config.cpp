// SPDX-License-Identifier: LGPL-2.1-or-later
#include "daemon/hardware/child/config.h"

#include <optional>
#include <string_view>
#include <utility>

#include <toml++/toml.h>

#include "foundation/bytes.h"
#include "os/file.h"

namespace hwvault::hardware::child {
namespace {

constexpr std::string_view kKnownKind = "pkcs11";

Error invalid(const std::string& file, const toml::source_region& where, std::string_view what) {
    return {ErrorCode::kInvalidArgument,
            file + ", line " + std::to_string(where.begin.line) + ": " + std::string(what)};
}

// toml++ reports by exceptions; they end here.
Result<toml::table> parse(std::string_view text, const std::string& file) {
    try {
        return toml::parse(text, file);
    } catch (const toml::parse_error& failure) {
        return invalid(file, failure.source(), failure.description());
    }
}

// The values of `[hardware]`, each put in its place.
class HardwareTable {
public:
    HardwareTable(const toml::table& table, std::string file) : table_(table), file_(std::move(file)) {}

    Result<HardwareConfig> read() const {
        std::string kind;
        std::string module;
        HardwareConfig config;
        for (const auto& [key, value] : table_) {
            std::string* const place = key == "kind"             ? &kind
                                       : key == "module"         ? &module
                                       : key == "serial"         ? &config.serial
                                       : key == "pin_credential" ? &config.pin_credential
                                                                 : nullptr;
            if (place == nullptr) return refuse(value, "`" + std::string(key.str()) + "` is not a key of [hardware].");
            HWVAULT_CHECK(read_text(key.str(), value, *place));
        }
        config.module = module;
        HWVAULT_CHECK(check(config, kind));
        return config;
    }

private:
    Error refuse(const toml::node& where, std::string_view what) const {
        return invalid(file_, where.source(), what);
    }

    Result<void> read_text(std::string_view key, const toml::node& value, std::string& place) const {
        const auto text = value.value_exact<std::string>();
        if (!text || text->empty()) return refuse(value, "`" + std::string(key) + "` must be a text, not empty.");
        place = *text;
        return {};
    }

    Result<void> check(const HardwareConfig& config, std::string_view kind) const {
        if (kind != kKnownKind) return refuse(at("kind"), "[hardware] needs kind = \"pkcs11\".");
        if (!config.module.is_absolute()) {
            return refuse(at("module"), "[hardware] needs module = \"/absolute/path/of/the/module.so\".");
        }
        if (config.serial.empty()) {
            return refuse(table_, "[hardware] needs serial = \"...\", as `pkcs11-tool --module M -L` shows it.");
        }
        // A name with a slash would leave $CREDENTIALS_DIRECTORY.
        if (config.pin_credential.find('/') != std::string::npos || config.pin_credential == "..") {
            return refuse(at("pin_credential"), "`pin_credential` is the name of a systemd credential, not a path.");
        }
        return {};
    }

    // Where the key is, or the table, when it is missing.
    const toml::node& at(std::string_view key) const {
        const toml::node* const node = table_.get(key);
        return node != nullptr ? *node : table_;
    }

    const toml::table& table_;
    std::string file_;
};

}  // namespace

Result<HardwareConfig> read_config(const std::filesystem::path& file) {
    HWVAULT_TRY(const Bytes content, os::read_file(file, kMaxConfigSize));
    HWVAULT_TRY(const toml::table tables, parse(text_of(content), file.string()));
    const toml::table* const hardware = tables["hardware"].as_table();
    if (hardware == nullptr) return invalid(file.string(), tables.source(), "There is no table [hardware].");
    return HardwareTable(*hardware, file.string()).read();
}

}  // namespace hwvault::hardware::child
