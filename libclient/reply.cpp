// SPDX-License-Identifier: LGPL-2.1-or-later
#include "libclient/reply.h"

#include <array>
#include <limits>
#include <optional>
#include <string>
#include <string_view>

#include <boost/json/array.hpp>
#include <boost/json/value.hpp>

#include "libclient/wire/varlink.h"

namespace hwvault::libclient {
namespace {

namespace json = boost::json;

// Longer than any name of the contract ("unit:" and 255 bytes), so that hwvault_verification has room for it.
constexpr std::size_t kMaxNameSize = 260;
constexpr std::size_t kMaxTextSize = 4'096;  // messages, descriptions, status values
constexpr std::size_t kMaxScopes = 32;
constexpr std::size_t kMaxScopeSize = 64;
constexpr std::size_t kMaxOwners = 16;
constexpr std::size_t kMaxOwnerSize = 261;      // "group:" and a name, or "unit:" and one
constexpr std::size_t kMaxInfos = 1'000;  // in a page
constexpr std::size_t kMaxReportLines = 256;

Failure bad(std::string_view field, std::string_view what) {
    return {HWVAULT_ERROR_BAD_ANSWER, "The vault's answer cannot be read: `" + std::string(field) + "` " +
                                          std::string(what) + ". Its version may differ from this library's."};
}

// Takes fields out of one object. The first that is wrong is remembered; the rest then read as empty.
class Fields {
public:
    explicit Fields(const json::object& object) : object_(object) {}

    std::string text(std::string_view key, std::size_t cap) { return checked_text(key, cap, true); }
    std::string optional_text(std::string_view key, std::size_t cap) { return checked_text(key, cap, false); }

    std::int64_t number(std::string_view key) {
        if (find(key) == nullptr) fail(key, "is missing");
        return optional_number(key);
    }
    std::int64_t optional_number(std::string_view key) { return number_if_told(key).value_or(0); }
    std::optional<std::int64_t> number_if_told(std::string_view key) {
        const json::value* value = find(key);
        if (value == nullptr) return std::nullopt;
        if (!value->is_int64() || value->get_int64() < 0) {
            fail(key, "is no number from 0 to 2^63 - 1");
            return 0;
        }
        return value->get_int64();
    }

    std::optional<bool> flag(std::string_view key) {
        const json::value* value = find(key);
        if (value == nullptr) return std::nullopt;
        if (value->is_bool()) return value->get_bool();
        fail(key, "is neither true nor false");
        return std::nullopt;
    }

    // nullptr when it is missing; `what` is wrong with it when it has another type.
    const json::object* object(std::string_view key) {
        const json::value* value = find(key);
        if (value == nullptr || value->is_object()) return value == nullptr ? nullptr : &value->get_object();
        fail(key, "is no object");
        return nullptr;
    }
    const json::array* array(std::string_view key, std::size_t cap) {
        const json::value* value = find(key);
        if (value == nullptr) return nullptr;
        if (value->is_array() && value->get_array().size() <= cap) return &value->get_array();
        fail(key, "is no list, or too long a one");
        return nullptr;
    }

    // A string in place, not copied: it may be a secret.
    std::optional<std::string_view> secret_text(std::string_view key) {
        const json::value* value = find(key);
        if (value != nullptr && value->is_string()) return std::string_view(value->get_string());
        fail(key, "is no text");
        return std::nullopt;
    }

    void fail(std::string_view key, std::string_view what) {
        if (!failure_) failure_ = bad(key, what);
    }
    [[nodiscard]] const std::optional<Failure>& failure() const { return failure_; }

private:
    // JSON's null means the same as a field that is not there.
    const json::value* find(std::string_view key) const {
        const json::value* value = object_.if_contains(key);
        return value != nullptr && value->is_null() ? nullptr : value;
    }

    std::string checked_text(std::string_view key, std::size_t cap, bool required) {
        const json::value* value = find(key);
        if (value == nullptr && !required) return {};
        if (value == nullptr || !value->is_string()) {
            fail(key, "is no text");
            return {};
        }
        const std::string_view text = value->get_string();
        if (text.size() > cap || text.find('\0') != std::string_view::npos) {
            fail(key, "is too long, or has a NUL");
            return {};
        }
        return std::string(text);
    }

    const json::object& object_;
    std::optional<Failure> failure_;
};

struct ListCaps {
    std::size_t entries;
    std::size_t size;  // of each
};

std::vector<std::string> texts_of(Fields& fields, std::string_view key, const ListCaps& caps) {
    std::vector<std::string> texts;
    const json::array* array = fields.array(key, caps.entries);
    if (array == nullptr) return texts;
    for (const json::value& entry : *array) {
        const json::string* text = entry.if_string();
        if (text == nullptr || text->size() > caps.size || text->find('\0') != json::string::npos) {
            fields.fail(key, "has an entry that is no text, or too long a one");
            return texts;
        }
        texts.emplace_back(text->data(), text->size());
    }
    return texts;
}

std::optional<std::uint32_t> uid_of(Fields& fields) {
    const std::optional<std::int64_t> number = fields.number_if_told("uid");
    if (!number) return std::nullopt;
    if (*number > std::numeric_limits<std::uint32_t>::max()) fields.fail("uid", "is no uid");
    return static_cast<std::uint32_t>(*number);
}

Answer<Info> info_from(const json::object& object) {
    Fields fields(object);
    Info info;
    info.account = fields.text("account", kMaxNameSize);
    info.name = fields.text("name", kMaxScopeSize);
    info.id = fields.text("id", 15);
    info.origin = fields.optional_text("origin", kMaxNameSize);
    info.description = fields.optional_text("description", kMaxTextSize);
    info.generation = static_cast<std::uint64_t>(fields.number("generation"));
    info.created_at = fields.optional_number("created_at");
    info.changed_at = fields.optional_number("changed_at");
    info.last_used_at = fields.optional_number("last_used_at");
    info.expires_at = fields.optional_number("expires_at");
    info.last_used_by = fields.optional_text("last_used_by", kMaxOwnerSize);
    info.scopes = texts_of(fields, "scopes", {.entries = kMaxScopes, .size = kMaxScopeSize});
    info.uid = uid_of(fields);
    info.owners = texts_of(fields, "owners", {.entries = kMaxOwners, .size = kMaxOwnerSize});
    info.revoked = fields.flag("revoked").value_or(false);
    info.rollback_protected = fields.flag("rollback_protected");
    if (fields.failure()) return *fields.failure();
    return info;
}

// "org.hwvault.Vault.NotFound" -> the code of NotFound.
Failure failure_from(std::string_view name, std::string message) {
    const std::string prefix = std::string(wire::kInterface) + ".";
    if (name.substr(0, prefix.size()) == prefix) {
        const std::string_view said = name.substr(prefix.size());
        for (int code = HWVAULT_ERROR_NOT_FOUND; code <= HWVAULT_ERROR_INTERNAL; ++code) {
            if (said == word(static_cast<ErrorCode>(code))) return {code, std::move(message)};
        }
    }
    return {HWVAULT_ERROR_BAD_ANSWER, "The vault answered with an error that this library does not know: " +
                                          std::string(name.substr(0, kMaxNameSize)) +
                                          ". Its version may differ from this library's."};
}

}  // namespace

Answer<Reply> read_reply(BytesView message) {
    auto parsed = wire::parse(message);
    if (!parsed) {
        return Failure{HWVAULT_ERROR_BAD_ANSWER, "What answers is no vault: it does not speak Varlink."};
    }
    Fields fields(*parsed);
    const json::object* parameters = fields.object("parameters");
    const std::string error = fields.optional_text("error", kMaxTextSize);
    const bool continues = fields.flag("continues").value_or(false);
    if (fields.failure()) return *fields.failure();
    if (!error.empty()) {
        const json::object none;
        Fields details(parameters == nullptr ? none : *parameters);
        return failure_from(error, details.optional_text("message", kMaxTextSize));
    }
    Reply reply{json::object(wire::locked_storage()), continues};
    if (parameters != nullptr) reply.parameters = std::move(parsed->at("parameters").get_object());
    return reply;
}

Answer<Retrieved> read_retrieved(const Reply& reply) {
    Fields fields(reply.parameters);
    const auto text = fields.secret_text("token");
    const bool base64 = fields.flag("base64").value_or(false);
    if (fields.failure()) return *fields.failure();
    auto secret = wire::decode_secret(*text, base64, kMaxSecretSize);
    if (!secret || secret->empty()) return bad("token", "is no secret of 1 byte to 1 MiB");
    HWVAULT_TRY(Info info, read_info(reply));
    return Retrieved{std::move(*secret), std::move(info)};
}

Answer<Verification> read_verification(const Reply& reply) {
    Fields fields(reply.parameters);
    const auto active = fields.flag("active");
    if (!active) fields.fail("active", "is missing");
    if (fields.failure()) return *fields.failure();
    if (!*active) return Verification{};
    HWVAULT_TRY(Info info, read_info(reply));
    return Verification{true, std::move(info)};
}

Answer<IndexPlaces> read_index_places(const Reply& reply) {
    Fields fields(reply.parameters);
    const auto index = static_cast<std::uint64_t>(fields.number("index"));
    const auto stamps = static_cast<std::uint64_t>(fields.number("stamps"));
    if (fields.failure()) return *fields.failure();
    return IndexPlaces{index, stamps};
}

Answer<Info> read_info(const Reply& reply) {
    Fields fields(reply.parameters);
    const json::object* info = fields.object("info");
    if (info == nullptr) return bad("info", "is missing");
    return info_from(*info);
}

Answer<Page> read_page(const Reply& reply) {
    Fields fields(reply.parameters);
    Page page;
    page.next = fields.optional_text("next", kMaxTextSize);
    const json::array* infos = fields.array("infos", kMaxInfos);
    if (infos == nullptr) fields.fail("infos", "is missing");
    if (fields.failure()) return *fields.failure();
    for (const json::value& info : *infos) {
        if (!info.is_object()) return bad("infos", "has an entry that is no object");
        HWVAULT_TRY(Info one, info_from(info.get_object()));
        page.infos.push_back(std::move(one));
    }
    return page;
}

Answer<Report> read_report(const Reply& reply) {
    if (reply.parameters.size() > kMaxReportLines) return bad("status", "is too long");
    Fields lines(reply.parameters);
    Report report;
    for (const auto& line : reply.parameters) {
        const bool is_number = line.value().is_int64();
        report.emplace_back(std::string(line.key()), is_number ? std::to_string(lines.number(line.key()))
                                                               : lines.text(line.key(), kMaxTextSize));
    }
    if (lines.failure()) return *lines.failure();
    return report;
}

Answer<Event> read_event(const Reply& reply) {
    Fields fields(reply.parameters);
    Event event;
    event.event = fields.text("event", kMaxNameSize);
    event.account = fields.optional_text("account", kMaxNameSize);
    event.name = fields.optional_text("name", kMaxScopeSize);
    event.generation = static_cast<std::uint64_t>(fields.optional_number("generation"));
    if (fields.failure()) return *fields.failure();
    return event;
}

}  // namespace hwvault::libclient
