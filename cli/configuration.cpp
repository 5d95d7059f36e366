// SPDX-License-Identifier: LGPL-2.1-or-later
#include "cli/configuration.h"

#include <string_view>

#include <unistd.h>

#include <toml++/toml.h>

#include "foundation/bytes.h"
#include "foundation/short_words.h"
#include "os/file.h"

namespace hwvault::cli {
namespace {

constexpr std::size_t kMaxFileSize = 1 << 20;

std::string text_at(const toml::table& table, std::string_view key, std::string_view otherwise = "") {
    return table[key].value_or(std::string(otherwise));
}

void add_unit(std::string_view unit, const toml::table& credentials, std::vector<UnitCredential>& units) {
    for (const auto& [credential, node] : credentials) {
        const toml::table* const table = node.as_table();
        if (table == nullptr) continue;
        units.push_back({std::string(unit), std::string(credential.str()),
                         text_at(*table, "account", "unit:" + std::string(unit)), text_at(*table, "name", "default")});
    }
}

Configuration configuration_of(const toml::table& root) {
    Configuration configuration;
    configuration.policy = kPolicyFolder;
    if (const toml::table* const vault = root["vault"].as_table()) {
        configuration.policy = text_at(*vault, "policy", kPolicyFolder);
    }
    configuration.audit_folder = kAuditFolder;
    if (const toml::table* const audit = root["audit"].as_table()) {
        configuration.audit_folder = text_at(*audit, "folder", kAuditFolder);
    }
    if (const toml::table* const hardware = root["hardware"].as_table()) {
        configuration.hardware_kind = text_at(*hardware, "kind");
        configuration.module = text_at(*hardware, "module");
        configuration.serial = text_at(*hardware, "serial");
        configuration.tcti = text_at(*hardware, "tcti", "device:/dev/tpmrm0");
        configuration.pin_credential = text_at(*hardware, "pin_credential");
        configuration.anti_rollback = text_at(*hardware, "anti_rollback", "strict");
        if (const toml::array* const pcrs = (*hardware)["pcrs"].as_array()) {
            for (const toml::node& pcr : *pcrs) configuration.pcrs.push_back(pcr.value_or(0U));
        }
    }
    if (const toml::table* const credentials = root["credential"].as_table()) {
        for (const auto& [unit, node] : *credentials) {
            if (const toml::table* const table = node.as_table()) add_unit(unit.str(), *table, configuration.units);
        }
    }
    return configuration;
}

}  // namespace

Answer<Configuration> read_configuration(const std::filesystem::path& file) {
    if (::access(file.c_str(), F_OK) == 0 && ::access(file.c_str(), R_OK) != 0) {
        return Failure{HWVAULT_ERROR_ACCESS_DENIED, "You may not read " + file.string() + ". Ask as root."};
    }
    auto content = os::read_file(file, kMaxFileSize);
    if (!content && content.error().code == ErrorCode::kNotFound) {
        return Failure{HWVAULT_ERROR_NOT_FOUND,
                       "There is no configuration at " + file.string() + ". hwvault.toml(5) says what goes into it."};
    }
    HWVAULT_TRY(const Bytes bytes, std::move(content));
    try {
        return configuration_of(toml::parse(text_of(bytes), file.string()));
    } catch (const toml::parse_error& error) {
        return Failure{HWVAULT_ERROR_INVALID_ARGUMENT, file.string() + ", line " +
                                                           std::to_string(error.source().begin.line) + ": " +
                                                           with_short_words(error.description()) + "."};
    }
}

Answer<Configuration> read_configuration_if_any(const Settings& settings) {
    auto configuration = read_configuration(settings.configuration);
    if (configuration || settings.configuration_is_named) return configuration;
    if (configuration.error().code == HWVAULT_ERROR_INVALID_ARGUMENT) return configuration;
    return configuration_of({});
}

}  // namespace hwvault::cli
