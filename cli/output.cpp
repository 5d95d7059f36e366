// SPDX-License-Identifier: LGPL-2.1-or-later
#include "cli/output.h"

#include <algorithm>
#include <array>
#include <cstdio>

#include <boost/json/array.hpp>

#include "cli/duration.h"
#include "libclient/wire/varlink.h"

namespace hwvault::cli {
namespace {

namespace json = boost::json;

bool is_continuation(char byte) {
    return (static_cast<unsigned char>(byte) & 0xC0) == 0x80;
}

std::string rollback_text(const Info& info) {
    return *info.rollback_protected ? "yes" : "not yet: an old copy of the disk would bring the former state back";
}

}  // namespace

std::string printable(std::string_view text) {
    const bool utf8 = wire::is_utf8(bytes_of(text));
    std::string safe;
    for (std::size_t i = 0; i < text.size(); ++i) {
        const auto byte = static_cast<unsigned char>(text[i]);
        // U+0080 to U+009F are control characters too, in UTF-8 C2 80 to C2 9F.
        const bool c1 = utf8 && byte == 0xC2 && static_cast<unsigned char>(text[i + 1]) < 0xA0;
        if (byte >= 0x20 && byte != 0x7F && (byte < 0x80 || utf8) && !c1) {
            safe += text[i];
            continue;
        }
        for (std::size_t k = i; k <= i + (c1 ? 1 : 0); ++k) {
            std::array<char, 5> escape{};
            std::snprintf(escape.data(), escape.size(), "\\x%02x", static_cast<unsigned>(text[k]) & 0xFFU);
            safe += escape.data();
        }
        if (c1) ++i;
    }
    return safe;
}

std::string printable_lines(std::string_view text) {
    std::string lines;
    while (!text.empty()) {
        const std::size_t end = text.find('\n');
        lines += printable(text.substr(0, end));
        if (end == std::string_view::npos) break;
        lines += '\n';
        text.remove_prefix(end + 1);
    }
    return lines;
}

std::size_t width(std::string_view text) {
    return text.size() - static_cast<std::size_t>(std::count_if(text.begin(), text.end(), is_continuation));
}

std::string joined(const std::vector<std::string>& texts) {
    std::string all;
    for (const std::string& text : texts) all += (all.empty() ? "" : ", ") + text;
    return all;
}

std::string table(const std::vector<std::vector<std::string>>& rows) {
    std::vector<std::size_t> widths;
    for (const auto& row : rows) {
        widths.resize(std::max(widths.size(), row.size()));
        for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], width(printable(row[i])));
    }
    std::string text;
    for (const auto& row : rows) {
        std::string line;
        for (std::size_t i = 0; i < row.size(); ++i) {
            const std::string cell = printable(row[i]);
            line += cell + std::string(widths[i] - width(cell) + 2, ' ');
        }
        line.erase(line.find_last_not_of(' ') + 1);
        text += line + "\n";
    }
    return text;
}

json::object to_json(const Info& info) {
    json::object object{{"account", info.account}, {"name", info.name}, {"id", info.id}};
    if (!info.origin.empty()) object["origin"] = info.origin;
    object["generation"] = info.generation;
    if (info.created_at != 0) object["created_at"] = info.created_at;
    if (info.changed_at != 0) object["changed_at"] = info.changed_at;
    if (info.last_used_at != 0) object["last_used_at"] = info.last_used_at;
    if (!info.last_used_by.empty()) object["last_used_by"] = info.last_used_by;
    if (info.expires_at != 0) object["expires_at"] = info.expires_at;
    object["scopes"] = json::array(info.scopes.begin(), info.scopes.end());
    if (!info.description.empty()) object["description"] = info.description;
    if (info.uid) object["uid"] = *info.uid;
    if (!info.owners.empty()) object["owners"] = json::array(info.owners.begin(), info.owners.end());
    if (info.revoked) object["revoked"] = true;
    if (info.rollback_protected) object["rollback_protected"] = *info.rollback_protected;
    return object;
}

json::object to_json(const Event& event) {
    json::object object{{"event", event.event}};
    if (!event.account.empty()) object["account"] = event.account;
    if (!event.name.empty()) object["name"] = event.name;
    if (event.generation != 0) object["generation"] = event.generation;
    return object;
}

std::string full_name(const Info& info) {
    return info.account + "/" + info.name;
}

std::string details(const Info& info) {
    std::vector<std::vector<std::string>> rows{{"token", full_name(info)}, {"id", info.id}};
    const auto add = [&rows](std::string key, std::string value) {
        if (!value.empty()) rows.push_back({std::move(key), std::move(value)});
    };
    if (info.uid) add("uid", std::to_string(*info.uid));
    add("owners", joined(info.owners));
    add("origin", info.origin);
    add("generation", std::to_string(info.generation) + (info.revoked ? " (revoked)" : ""));
    if (info.created_at != 0) add("created", time_text(info.created_at));
    if (info.changed_at != 0) add("changed", time_text(info.changed_at));
    const std::string by = info.last_used_by.empty() ? "" : " by " + info.last_used_by;
    if (info.last_used_at != 0) add("last used", time_text(info.last_used_at) + by);
    add("expires", time_text(info.expires_at));
    add("scopes", joined(info.scopes));
    add("description", info.description);
    if (info.rollback_protected) add("proof against an old disk", rollback_text(info));
    return table(rows);
}

std::string listing(const std::vector<Info>& infos) {
    std::vector<std::vector<std::string>> rows{{"ACCOUNT", "NAME", "ORIGIN", "GENERATION", "EXPIRES", "LAST USE", "BY"}};
    for (const Info& info : infos) {
        rows.push_back({info.account, info.name, info.origin,
                        std::to_string(info.generation) + (info.revoked ? " (revoked)" : ""),
                        day_text(info.expires_at), info.last_used_at == 0 ? "not seen" : day_text(info.last_used_at), info.last_used_by});
    }
    return table(rows);
}

}  // namespace hwvault::cli
