// SPDX-License-Identifier: LGPL-2.1-or-later
#include "daemon/hardware/child/config.h"

#include <cstdint>
#include <set>
#include <string_view>
#include <utility>

#include <toml++/toml.h>

#include "foundation/bytes.h"
#include "foundation/short_words.h"
#include "os/file.h"

namespace hwvault::hardware::child {
namespace {

constexpr std::int64_t kMaxPcr = 23;

Error invalid(const std::string& file, const toml::source_region& where, std::string_view what) {
    return {ErrorCode::kInvalidArgument,
            file + ", line " + std::to_string(where.begin.line) + ": " + with_short_words(what)};
}

// toml++ reports by exceptions; they end here.
Result<toml::table> parse(std::string_view text, const std::string& file) {
    try {
        return toml::parse(text, file);
    } catch (const toml::parse_error& failure) {
        return invalid(file, failure.source(), failure.description());
    }
}

// The table `[hardware]`, read key by key; what is left at the end is unknown.
class HardwareTable {
public:
    HardwareTable(const toml::table& table, std::string file) : table_(table), file_(std::move(file)) {}

    Result<HardwareConfig> read() {
        std::string kind;
        HWVAULT_CHECK(take("kind", kind));
        HardwareConfig config;
        HWVAULT_CHECK(take("pin_credential", config.pin_credential));
        // A name with a slash would leave $CREDENTIALS_DIRECTORY.
        if (config.pin_credential.find('/') != std::string::npos || config.pin_credential == "..") {
            return refuse(at("pin_credential"), "`pin_credential` is the name of a systemd credential, not a path.");
        }
        known_.insert("anti_rollback");  // hwvaultd's
        if (kind == "pkcs11") {
            HWVAULT_TRY(config.device, read_pkcs11());
        } else if (kind == "tpm") {
            HWVAULT_TRY(config.device, read_tpm());
        } else {
            return refuse(at("kind"), "[hardware] needs kind = \"pkcs11\" or kind = \"tpm\".");
        }
        return config;
    }

private:
    Result<Pkcs11Config> read_pkcs11() {
        Pkcs11Config config;
        std::string module;
        HWVAULT_CHECK(take("module", module));
        HWVAULT_CHECK(take("serial", config.serial));
        HWVAULT_CHECK(no_more("pkcs11"));
        config.module = module;
        if (!config.module.is_absolute()) {
            return refuse(at("module"), "[hardware] needs module = \"/absolute/path/of/the/module.so\".");
        }
        if (config.serial.empty()) {
            return refuse(table_, "[hardware] needs serial = \"...\", as `pkcs11-tool --module M -L` shows it.");
        }
        return config;
    }

    Result<TpmConfig> read_tpm() {
        TpmConfig config;
        HWVAULT_CHECK(take("tcti", config.tcti));
        HWVAULT_TRY(config.pcrs, take_pcrs());
        HWVAULT_CHECK(no_more("tpm"));
        return config;
    }

    Result<std::vector<unsigned>> take_pcrs() {
        known_.insert("pcrs");
        const toml::node* const node = table_.get("pcrs");
        if (node == nullptr) return std::vector<unsigned>{};
        const auto wrong = [&] {
            return refuse(*node, "`pcrs` must be a list of PCR numbers from 0 to " + std::to_string(kMaxPcr) +
                                     ", each once, as [7, 11].");
        };
        const toml::array* const list = node->as_array();
        if (list == nullptr) return wrong();
        std::set<unsigned> pcrs;
        for (const toml::node& entry : *list) {
            const auto number = entry.value_exact<std::int64_t>();
            if (!number || *number < 0 || *number > kMaxPcr) return wrong();
            if (!pcrs.insert(static_cast<unsigned>(*number)).second) return wrong();
        }
        return std::vector<unsigned>(pcrs.begin(), pcrs.end());
    }

    Error refuse(const toml::node& where, std::string_view what) const {
        return invalid(file_, where.source(), what);
    }

    // Leaves `place` as it is when the key is not there.
    Result<void> take(std::string_view key, std::string& place) {
        known_.insert(key);
        const toml::node* const node = table_.get(key);
        if (node == nullptr) return {};
        const auto text = node->value_exact<std::string>();
        if (!text || text->empty()) return refuse(*node, "`" + std::string(key) + "` must be a text, not empty.");
        place = *text;
        return {};
    }

    Result<void> no_more(std::string_view kind) const {
        for (const auto& [key, value] : table_) {
            if (known_.contains(key.str())) continue;
            return refuse(value, "`" + std::string(key.str()) + "` is not a key of [hardware] with kind = \"" +
                                     std::string(kind) + "\".");
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
    std::set<std::string_view> known_;
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
