// SPDX-License-Identifier: LGPL-2.1-or-later
#include "daemon/settings.h"

#include <array>
#include <algorithm>
#include <functional>
#include <map>
#include <string_view>
#include <utility>

#include <toml++/toml.h>

#include "crypto/token_text.h"
#include "daemon/doors/credential/peer_name.h"
#include "daemon/vault/names.h"
#include "foundation/bytes.h"
#include "foundation/short_words.h"
#include "os/file.h"

namespace hwvault {
namespace {

namespace credential = doors::credential;

constexpr std::size_t kMaxFileSize = 1 << 20;

const std::map<std::string, service::AntiRollback, std::less<>> kAntiRollback{
    {"strict", service::AntiRollback::kStrict},
    {"batch", service::AntiRollback::kBatch},
    {"off", service::AntiRollback::kOff}};

Error wrong(const std::filesystem::path& file, const toml::source_region& where, std::string_view what) {
    return {ErrorCode::kInvalidArgument,
            file.string() + ", line " + std::to_string(where.begin.line) + ": " + with_short_words(what)};
}

struct Anything {
    bool operator()(const auto&) const { return true; }
};

// One table of the file, read key by key; what is left at the end is unknown.
class Table {
public:
    Table(const std::filesystem::path& file, toml::table* table, std::string name)
        : file_(file), table_(table), name_(std::move(name)) {}
    Table(const std::filesystem::path& file, toml::table& root, std::string_view name)
        : Table(file, root[name].as_table(), std::string(name)) {}

    Result<void> path(std::string_view key, std::filesystem::path& target) {
        std::string text;
        HWVAULT_CHECK(take(key, text, "a path in quotes"));
        if (!text.empty()) target = text;
        return {};
    }

    // Leaves `target` as it is when the key is not there.
    template <class T, class Fits = Anything>
    Result<void> take(std::string_view key, T& target, std::string_view wanted, Fits fits = {}) {
        toml::node* const node = table_ == nullptr ? nullptr : table_->get(key);
        if (node == nullptr) return {};
        const auto value = node->value_exact<T>();
        if (!value || !fits(*value)) {
            return wrong(file_, node->source(), quoted(key) + " must be " + std::string(wanted) + ".");
        }
        target = *value;
        table_->erase(key);
        return {};
    }

    Result<void> count(std::string_view key, std::size_t& target) {
        auto number = static_cast<std::int64_t>(target);
        const auto in_range = [most = number](std::int64_t value) { return value >= 1 && value <= most; };
        HWVAULT_CHECK(take(key, number, "a whole number from 1 to " + std::to_string(number), in_range));
        target = static_cast<std::size_t>(number);
        return {};
    }

    Result<void> no_more() {
        if (table_ == nullptr || table_->empty()) return {};
        const auto first = table_->begin();
        return wrong(file_, first->second.source(),
                     quoted(first->first.str()) + " is not a key of hwvaultd. See hwvault.toml(5).");
    }

private:
    [[nodiscard]] std::string quoted(std::string_view key) const {
        return "`" + std::string(key) + "` in [" + name_ + "]";
    }

    const std::filesystem::path& file_;
    toml::table* table_;
    std::string name_;
};

// What is there must be a known table: a limit written in another way would silently be none.
Result<void> check_tables(const std::filesystem::path& file, const toml::table& root) {
    constexpr std::array<std::string_view, 7> kTables{"vault", "doors", "audit", "limits", "recovery", "hardware", "credential"};
    for (const auto& [key, node] : root) {
        const std::string name(key.str());
        if (std::ranges::find(kTables, name) == kTables.end()) {
            return wrong(file, node.source(), "`" + name + "` is not known. See hwvault.toml(5).");
        }
        if (!node.is_table()) {
            return wrong(file, node.source(), "`" + name + "` must be a table, with its name in brackets.");
        }
    }
    return {};
}

// Whoever writes the table wants recovery: without its key, or with an empty one, there would be none and nobody told.
Result<void> take_recipient(const std::filesystem::path& file, const toml::table& root, Table& table,
                            std::filesystem::path& recipient) {
    std::string text;
    const auto is_there = [](const std::string& value) { return !value.empty(); };
    HWVAULT_CHECK(table.take("recipient", text, "the path of a certificate or a public key, in quotes", is_there));
    HWVAULT_CHECK(table.no_more());
    const toml::node* const node = root.get("recovery");
    if (node != nullptr && text.empty()) {
        return wrong(file, node->source(), "[recovery] has no `recipient`. Name the key's file, or remove the table.");
    }
    recipient = text;
    return {};
}

// One token of [credential]; what is not said is as if the unit were not named at all.
Result<credential::TokenReference> take_token(Table& table, const credential::Place& place) {
    credential::TokenReference token = credential::token_for({}, place);
    HWVAULT_CHECK(table.take("account", token.account, "user:NAME, unit:NAME.service or app:NAME",
                             [](const std::string& text) { return vault::AccountName::parse(text).has_value(); }));
    HWVAULT_CHECK(table.take("name", token.name, "a token's name, 1 to 64 of a-z, 0-9, '.', '_' and '-'",
                             [](const std::string& text) { return !text.empty() && vault::TokenName::parse(text); }));
    HWVAULT_CHECK(table.no_more());
    return token;
}

Result<void> take_credentials(const std::filesystem::path& file, std::string_view unit, toml::table& credentials,
                              credential::Mapping& mapping) {
    for (auto&& [key, node] : credentials) {
        const credential::Place place{std::string(unit), std::string(key.str())};
        const std::string name = "credential.\"" + place.unit + "\".\"" + place.credential + "\"";
        if (!credential::is_credential_name(place.credential)) {
            return wrong(file, node.source(), "`" + place.credential + "` in [credential.\"" + place.unit +
                                                  "\"] is no credential's name: see systemd.exec(5), LoadCredential=.");
        }
        if (!node.is_table()) return wrong(file, node.source(), "`" + name + "` must be a table, with its name in brackets.");
        Table table(file, node.as_table(), name);
        HWVAULT_TRY(mapping[place], take_token(table, place));
    }
    return {};
}

Result<void> take_units(const std::filesystem::path& file, toml::table& root, credential::Mapping& mapping) {
    toml::table* const units = root["credential"].as_table();
    if (units == nullptr) return {};
    for (auto&& [key, node] : *units) {
        const std::string unit(key.str());
        if (!vault::AccountName::parse("unit:" + unit)) {
            return wrong(file, node.source(), "`" + unit + "` in [credential] is no unit that runs: write NAME.service.");
        }
        if (!node.is_table()) {
            std::string sentence = "`" + unit + "` in [credential] must have a credential's name after it: [credential.\"";
            sentence.append(unit).append("\".\"CREDENTIAL\"].");
            return wrong(file, node.source(), sentence);
        }
        HWVAULT_CHECK(take_credentials(file, unit, *node.as_table(), mapping));
    }
    return {};
}

Result<Settings> settings_of(const std::filesystem::path& file, toml::table& root) {
    HWVAULT_CHECK(check_tables(file, root));
    Settings settings;
    Table vault(file, root, "vault");
    HWVAULT_CHECK(vault.path("state", settings.state));
    HWVAULT_CHECK(vault.path("hardware_socket", settings.hardware_socket));
    HWVAULT_CHECK(vault.path("policy", settings.policy));
    HWVAULT_CHECK(vault.take("prefix", settings.prefix, "2 to 6 letters a-z and an underscore, as \"hwv_\"",
                             crypto::is_token_prefix));
    HWVAULT_CHECK(vault.no_more());
    Table doors(file, root, "doors");
    HWVAULT_CHECK(doors.path("socket", settings.socket));
    HWVAULT_CHECK(doors.take("dbus", settings.dbus, "true or false"));
    HWVAULT_CHECK(doors.no_more());
    Table audit(file, root, "audit");
    HWVAULT_CHECK(audit.path("folder", settings.audit));
    HWVAULT_CHECK(audit.no_more());
    Table hardware(file, root, "hardware");
    std::string anti_rollback = "strict";
    HWVAULT_CHECK(hardware.take("anti_rollback", anti_rollback, "\"strict\", \"batch\" or \"off\"",
                                [](const std::string& word) { return kAntiRollback.contains(word); }));
    settings.anti_rollback = kAntiRollback.at(anti_rollback);
    Table recovery(file, root, "recovery");
    HWVAULT_CHECK(take_recipient(file, root, recovery, settings.recipient));
    Table limits(file, root, "limits");
    HWVAULT_CHECK(limits.count("tokens", settings.quotas.tokens));
    HWVAULT_CHECK(limits.count("tokens_per_account", settings.quotas.tokens_per_account));
    HWVAULT_CHECK(limits.no_more());
    HWVAULT_CHECK(take_units(file, root, settings.credentials));
    return settings;
}

}  // namespace

Result<Settings> read_settings(const std::filesystem::path& file) {
    HWVAULT_TRY(const Bytes text, os::read_file(file, kMaxFileSize));
    try {
        toml::table root = toml::parse(text_of(text), file.string());
        return settings_of(file, root);
    } catch (const toml::parse_error& error) {
        return wrong(file, error.source(), error.description());
    }
}

std::vector<std::string> needing_restart(const Settings& running, const Settings& read) {
    const std::initializer_list<std::pair<const char*, bool>> kept{
        {"[vault] state", running.state == read.state},
        {"[vault] hardware_socket", running.hardware_socket == read.hardware_socket},
        {"[doors] socket", running.socket == read.socket},
        {"[doors] dbus", running.dbus == read.dbus},
        {"[audit] folder", running.audit == read.audit},
        {"[hardware] anti_rollback", running.anti_rollback == read.anti_rollback},
        {"[recovery] recipient", running.recipient == read.recipient}};
    std::vector<std::string> changed;
    for (const auto& [key, is_same] : kept) {
        if (!is_same) changed.emplace_back(key);
    }
    return changed;
}

}  // namespace hwvault
